import type { Report } from './run.ts';

/** What many seeds did together. Plain data, so that it can travel between processes. */
export interface Tally {
  seeds: number;
  lost: number;
  simulatedMs: number;
  operations: number;
  faults: Record<string, number>;
  failures: { seed: number; reasons: readonly string[] }[];
}

export function emptyTally(): Tally {
  return { seeds: 0, lost: 0, simulatedMs: 0, operations: 0, faults: {}, failures: [] };
}

export function addReport(tally: Tally, report: Report): void {
  tally.seeds += 1;
  if (report.outcome === 'lost') tally.lost += 1;
  tally.simulatedMs += report.simulatedMs;
  tally.operations += report.operations;
  for (const [kind, count] of report.faults) addFault(tally, kind, count);
  const { seed, failures } = report;
  if (failures.length > 0) tally.failures.push({ seed, reasons: failures.slice(0, 3) });
}

export function addTally(sum: Tally, part: Tally): void {
  sum.seeds += part.seeds;
  sum.lost += part.lost;
  sum.simulatedMs += part.simulatedMs;
  sum.operations += part.operations;
  for (const [kind, count] of Object.entries(part.faults)) addFault(sum, kind, count);
  sum.failures.push(...part.failures);
}

function addFault(tally: Tally, kind: string, count: number): void {
  tally.faults[kind] = (tally.faults[kind] ?? 0) + count;
}

const MAX_SHOWN_FAILURES = 20;
const MS_PER_HOUR = 3_600_000;

/**
 * For people.
 *
 * @param extra what the commands that replay a failure need besides the seed
 */
export function formatSummary(tally: Tally, seconds: number, extra: readonly string[]): string {
  const { seeds, lost, simulatedMs, operations, faults, failures } = tally;
  const kinds = Object.entries(faults).sort(([, a], [, b]) => b - a);
  const faultCount = kinds.reduce((sum, [, count]) => sum + count, 0);
  const replay = (seed: number) => ['npm run sim -- --seed', seed, '--trace', ...extra].join(' ');
  const shown = failures.toSorted((a, b) => a.seed - b.seed).slice(0, MAX_SHOWN_FAILURES);
  return [
    `${seeds} seeds in ${seconds.toFixed(1)} s (${(seeds / seconds).toFixed(0)} a second), ` +
      `${(simulatedMs / MS_PER_HOUR).toFixed(1)} simulated hours, ${operations} operations`,
    `${faultCount} faults${kinds.length === 0 ? '' : ':'}`,
    ...kinds.map(([kind, count]) => `  ${String(count).padStart(8)}  ${kind}`),
    `${lost} seeds ended because every good copy was destroyed`,
    `${failures.length} failures`,
    ...shown.flatMap(({ seed, reasons }) => [
      `  seed ${seed}: ${replay(seed)}`,
      ...reasons.map((reason) => `    ${reason.split('\n').slice(0, 6).join('\n    ')}`),
    ]),
    ...(failures.length > shown.length ? [`  and ${failures.length - shown.length} more`] : []),
  ].join('\n');
}
