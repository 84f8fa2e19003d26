import type { Directory } from './directory.ts';
import type { FaultTools } from './fault-tools.ts';
import type { DiskFailure, SimReplica } from './replica.ts';

export type CopyFault =
  | 'kill-replica'
  | 'kill-replica-within'
  | 'stop-replica'
  | 'shut-replica-down'
  | 'fail-sync'
  | 'fail-sync-late'
  | 'fail-save'
  | 'fail-read'
  | 'fail-write'
  | 'fill-disk'
  | 'slow-disk'
  | 'flip-bit'
  | 'lose-directory'
  | 'roll-back';

const NORMAL_SYNC_MS = 5;
const NORMAL_SAVE_MS = 1;

export function mendDisk(replica: SimReplica): void {
  replica.isFull = false;
  replica.syncMs = NORMAL_SYNC_MS;
  replica.saveMs = NORMAL_SAVE_MS;
  replica.failure = undefined;
}

/** What happens to the process and to the disk of one copy. */
export class CopyFaults {
  readonly #tools: FaultTools;
  readonly #snapshots = new Map<SimReplica, Directory>();

  constructor(tools: FaultTools) {
    this.#tools = tools;
  }

  /** Returns false when there is nothing to do it to. */
  disturb(kind: CopyFault): boolean {
    const replica = this.#tools.pickReplica();
    if (replica === undefined) return false;
    const { world, random } = this.#tools;
    const { replicaId } = replica;
    switch (kind) {
      case 'kill-replica':
        this.#tools.note(`${replicaId} is killed`);
        world.killReplica(replica);
        return true;
      case 'kill-replica-within':
        replica.crashAfter = random.below(8);
        return true;
      case 'stop-replica':
        return this.#stop(replica);
      case 'shut-replica-down':
        this.#tools.note(`${replicaId} is asked to stop`);
        replica.shutDown();
        return true;
      case 'flip-bit':
        world.killReplica(replica);
        this.#tools.note(`a bit of ${replica.directory.flipBit(random)} of ${replicaId} flips`);
        return true;
      case 'lose-directory':
        return this.#loseDirectory(replica);
      case 'roll-back':
        return this.#rollBack(replica);
      default:
        this.#disturbDisk(kind, replica);
        return true;
    }
  }

  #stop({ replicaId, process }: SimReplica): boolean {
    if (process === undefined) return false;
    process.pause();
    this.#tools.mendLater(`${replicaId} is stopped`, () => process.resume());
    return true;
  }

  #disturbDisk(kind: CopyFault, replica: SimReplica): void {
    const { random } = this.#tools;
    const { replicaId } = replica;
    if (kind === 'fill-disk') {
      replica.isFull = true;
      this.#tools.mendLater(`the disk of ${replicaId} is full`, () => mendDisk(replica));
    } else if (kind === 'slow-disk') {
      replica.syncMs = random.pick([50, 300]);
      replica.saveMs = random.pick([5, 50, 200]);
      this.#tools.mendLater(`the disk of ${replicaId} is slow`, () => mendDisk(replica));
    } else {
      const failure = kind.slice('fail-'.length) as DiskFailure;
      replica.failure = failure;
      this.#tools.note(`the next ${failure} of ${replicaId} fails`);
    }
  }

  /** Never the last good directory: then there would be nothing left to check. */
  #loseDirectory(replica: SimReplica): boolean {
    if (!this.#isSpare(replica)) return false;
    this.#tools.note(`the directory of ${replica.replicaId} is lost`);
    this.#tools.world.loseDirectory(replica);
    return true;
  }

  /** The first time a snapshot is taken; later, in another session, the disk goes back to it. */
  #rollBack(replica: SimReplica): boolean {
    const { world } = this.#tools;
    const snapshot = this.#snapshots.get(replica);
    const recorded = world.registry.record.copies[replica.replicaId];
    const isOfDirectory =
      snapshot?.metadata.dataId === replica.directory.metadata.dataId &&
      recorded?.dataId === snapshot?.metadata.dataId;
    if (snapshot === undefined || recorded === undefined || !isOfDirectory) {
      this.#snapshots.set(replica, replica.directory.snapshot());
      return true;
    }
    if (snapshot.metadata.session >= recorded.session || !this.#isSpare(replica)) return false;
    this.#tools.note(`${replica.replicaId} goes back to session ${snapshot.metadata.session}`);
    this.#snapshots.delete(replica);
    world.rollBack(replica, snapshot);
    return true;
  }

  #isSpare(replica: SimReplica): boolean {
    const { replicas, registry, checks } = this.#tools.world;
    return Object.entries(registry.record.copies).some(([replicaId, copy]) => {
      const other = replicas.get(replicaId);
      if (other === undefined || other === replica || copy.state !== 'in-sync') return false;
      return other.directory.metadata.dataId === copy.dataId && !checks.isDestroyed(other);
    });
  }
}
