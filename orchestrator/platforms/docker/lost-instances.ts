import type { ProcessSpec } from '../../plan/processes.ts';
import type { FoundContainer } from './engine.ts';
import type { Run } from './runs.ts';

type Listed = Pick<FoundContainer, 'id' | 'state' | 'isLive'>;

interface Lost {
  readonly process: ProcessSpec;
  readonly instanceId: string;
  readonly node: string;
}

/**
 * Controllers that count as ended though nobody has seen their end, as when their engine is away. The
 * next one waits for the leases that they may hold (I7), until somebody has.
 */
export class LostInstances {
  /** By container. */
  readonly #lost = new Map<string, Lost>();
  readonly #onGone: (process: ProcessSpec, instanceId: string) => void;

  constructor(onGone: (process: ProcessSpec, instanceId: string) => void) {
    this.#onGone = onGone;
  }

  /** From here on the run does not know which instance it was: its exit says nothing of that one. */
  add(run: Run): void {
    const { spec: process, containerId, instanceId, node } = run;
    if (containerId === undefined || instanceId === undefined || node === undefined) return;
    this.#lost.set(containerId, { process, instanceId, node });
    run.instanceId = undefined;
  }

  /** Its process has ended, or its container was removed. */
  onEnd(containerId: string): void {
    const lost = this.#lost.get(containerId);
    if (lost === undefined) return;
    this.#lost.delete(containerId);
    this.#onGone(lost.process, lost.instanceId);
  }

  /** What these nodes have. A container that was only created may just be about to start. */
  onList(nodes: ReadonlySet<string>, found: readonly Listed[]): void {
    for (const [containerId, { node }] of this.#lost) {
      const seen = found.find(({ id }) => id === containerId);
      const mayRun = seen !== undefined && (seen.isLive || seen.state === 'created');
      if (nodes.has(node) && !mayRun) this.onEnd(containerId);
    }
  }
}
