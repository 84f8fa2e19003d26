/** Counts what a run did, for the summary. */
export class Tally {
  readonly #done = new Map<string, number>();
  readonly #retried = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  readonly #faults = new Map<string, number>();
  readonly #healthyMs: number[] = [];
  #longestMs = 0;
  #longestWhat = 'none';
  #comparisons = 0;

  done(what: string, durationMs: number, description: string): void {
    add(this.#done, what);
    if (durationMs <= this.#longestMs) return;
    this.#longestMs = durationMs;
    this.#longestWhat = description;
  }

  retried(what: string): void {
    add(this.#retried, what);
  }

  refused(reason: string): void {
    add(this.#refused, reason);
  }

  /** How often a command was refused, by reason. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refused;
  }

  /** Operations that succeeded. */
  get doneCount(): number {
    return [...this.#done.values()].reduce((sum, count) => sum + count, 0);
  }

  get longestMs(): number {
    return this.#longestMs;
  }

  get longestWhat(): string {
    return this.#longestWhat;
  }

  fault(name: string): void {
    add(this.#faults, name);
  }

  healthyAfter(ms: number): void {
    this.#healthyMs.push(ms);
  }

  compared(): void {
    this.#comparisons += 1;
  }

  lines(sessionCount: number): string[] {
    const times = [...this.#healthyMs].sort((a, b) => a - b);
    const median = times[Math.floor(times.length / 2)];
    return [
      `operations       ${list(this.#done)}`,
      `repeated         ${list(this.#retried)}`,
      `refused with     ${list(this.#refused)}`,
      `sessions         ${sessionCount}`,
      `faults           ${list(this.#faults)}`,
      `longest I/O      ${inSeconds(this.#longestMs)} (${this.#longestWhat})`,
      `healthy after    median ${inSeconds(median)}, longest ${inSeconds(times.at(-1))}, ` +
        `${times.length} times`,
      `copies compared  ${this.#comparisons} times`,
    ];
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function list(counts: ReadonlyMap<string, number>): string {
  if (counts.size === 0) return 'none';
  const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b));
  return sorted.map(([name, count]) => `${name} ${count.toLocaleString('en-US')}`).join(', ');
}

function inSeconds(ms: number | undefined): string {
  return ms === undefined ? '-' : `${(ms / 1000).toFixed(1)} s`;
}
