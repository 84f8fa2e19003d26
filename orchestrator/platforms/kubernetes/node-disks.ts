import type { Clock } from '../../../replica/common/clock.ts';
import { messageOf } from '../../../replica/common/errors.ts';
import type { NodeRecord } from '../../model/node.ts';
import type { JobRunner } from './job-runner.ts';
import type { Down } from './node-watch.ts';
import { NODE_DIRECTORY } from './workloads.ts';

export interface NodeDisksOptions {
  readonly clock: Clock;
  readonly jobs: Pick<JobRunner, 'run'>;
  readonly dataRoot: string;
  readonly nodes: () => readonly NodeRecord[];
  /** Whether a job can be done there. */
  readonly isReachable: (node: string) => boolean;
  /** From now on a missing directory is a missing disk. */
  readonly onPrepared: (node: string) => Promise<void>;
  /** A node's directory is there, or is away. */
  readonly onChange: () => void;
}

interface Disk {
  /** Set while its directory is not there, or not made yet. */
  down: Down | undefined;
  isPrepared: boolean;
  isBeingLookedAt: boolean;
  nextLookAtMs: number;
}

/** A disk that is away tells nobody when it is back. */
const RETRY_MS = 5_000;

/** The directories of the nodes: makes those of new ones, and looks for those that are missing. */
export class NodeDisks {
  readonly #options: NodeDisksOptions;
  readonly #disks = new Map<string, Disk>();

  constructor(options: NodeDisksOptions) {
    this.#options = options;
  }

  downOf(name: string): Down | undefined {
    return this.#disks.get(name)?.down;
  }

  /** A replica did not find its node's disk. Looked at now and then until it is there. */
  report(name: string, reason: string): void {
    const disk = this.#disks.get(name);
    if (disk === undefined || disk.down !== undefined) return;
    disk.down = { sinceMs: this.#options.clock.nowMs(), reason };
    disk.nextLookAtMs = this.#options.clock.nowMs();
    this.#options.onChange();
  }

  /** Makes or looks at every directory whose turn it is. To be called every 100 ms or so. */
  tick(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { name, isPrepared } of this.#options.nodes()) {
      const disk = this.#disks.get(name) ?? newDisk(isPrepared, nowMs);
      this.#disks.set(name, disk);
      if (disk.down === undefined || disk.isBeingLookedAt || nowMs < disk.nextLookAtMs) continue;
      if (this.#options.isReachable(name)) void this.#look(name, disk);
    }
  }

  async #look(name: string, disk: Disk): Promise<void> {
    const { clock, onPrepared, onChange } = this.#options;
    disk.isBeingLookedAt = true;
    try {
      const reason = await this.#whyMissing(name, disk);
      if (reason === undefined) {
        if (!disk.isPrepared) await onPrepared(name);
        disk.isPrepared = true;
        disk.down = undefined;
        onChange();
      } else if (disk.down !== undefined) {
        disk.down = { ...disk.down, reason };
      }
    } catch (error) {
      // It was made, and nobody will know: made again, it is left as it is.
      disk.down = { sinceMs: disk.down?.sinceMs ?? 0, reason: messageOf(error) };
    } finally {
      disk.isBeingLookedAt = false;
      disk.nextLookAtMs = clock.nowMs() + RETRY_MS;
    }
  }

  async #whyMissing(node: string, { isPrepared }: Disk): Promise<string | undefined> {
    try {
      const kind = isPrepared ? 'check' : 'prepare';
      const { exitCode, sentence } = await this.#options.jobs.run({ kind, node });
      if (exitCode === 0) return undefined;
      return this.#inOurWords(sentence) ?? `the job to ${kind} it ended with code ${exitCode}`;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** A container speaks of what it sees; people know the directory by another name. */
  #inOurWords(sentence: string | undefined): string | undefined {
    return sentence?.replaceAll(
      new RegExp(`${NODE_DIRECTORY}(?![\\w-])`, 'g'),
      this.#options.dataRoot,
    );
  }
}

function newDisk(isPrepared: boolean, nowMs: number): Disk {
  const down = isPrepared ? undefined : { sinceMs: nowMs, reason: 'its directory is not made yet' };
  return { down, isPrepared, isBeingLookedAt: false, nextLookAtMs: nowMs };
}
