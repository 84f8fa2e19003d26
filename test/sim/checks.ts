import type { Membership } from '../../controller/protocol/membership.ts';
import type { SimController } from './controller.ts';
import type { DataFile } from './data-file.ts';
import type { Directory } from './directory.ts';
import type { Done, Oracle } from './oracle.ts';
import type { SimReplica } from './replica.ts';

/** What the checks look at, all of it at once, as nobody in the cluster can. */
export interface Facts {
  readonly oracle: Oracle;
  readonly replicas: ReadonlyMap<string, SimReplica>;
  readonly record: () => Membership;
}

/** How a copy came to lack something that it had answered for. */
interface Damage {
  readonly tick: number;
  /** Another directory, or one from before: nothing of what it had is there for certain. */
  readonly isDestroyed: boolean;
}

/** The last CHECKPOINT that a copy was sent, and what it had to make durable. */
interface Checkpoint {
  readonly tick: number;
  readonly data: DataFile;
  readonly changeCount: number;
}

/**
 * The invariants of docs/architecture.md that can be seen from outside, asserted while the cluster
 * runs. The oracle judges what initiators see; these find the cause before anybody sees anything.
 */
export class Checks {
  readonly violations: string[] = [];
  readonly #facts: Facts;
  readonly #damage = new Map<SimReplica, Damage>();
  /** The newest that each has seen. */
  readonly #epochs = new Map<Directory, number>();
  /** Of copies that are being synced. */
  readonly #checkpoints = new Map<SimReplica, Checkpoint>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  fail(invariant: string, what: string): void {
    this.violations.push(`${invariant}: ${what}`);
  }

  // What happens to copies.

  damaged(replica: SimReplica, isDestroyed = false): void {
    const earlier = this.#damage.get(replica);
    this.#damage.set(replica, {
      tick: this.#facts.oracle.tick(),
      isDestroyed: isDestroyed || earlier?.isDestroyed === true,
    });
  }

  isDestroyed(replica: SimReplica): boolean {
    return this.#damage.get(replica)?.isDestroyed === true;
  }

  /** I4: a directory that has seen an epoch is changed by no older one. */
  changing({ replicaId, directory }: SimReplica, epoch: number): void {
    const newest = this.#epochs.get(directory) ?? 0;
    if (epoch < newest) this.fail('I4', `${replicaId} writes for epoch ${epoch} after ${newest}`);
    this.#epochs.set(directory, Math.max(newest, epoch, directory.metadata.epoch));
  }

  /** A copy that may be chosen to serve shows every atomic write as a whole or not at all. */
  seen(replica: SimReplica): void {
    if (!this.isDestroyed(replica) && this.#inSync().includes(replica)) this.#expectWhole(replica);
  }

  #expectWhole({ replicaId, directory }: SimReplica): void {
    const torn = this.#facts.oracle.atomicWrites.whyTorn(directory.data.blocks, true);
    if (torn !== undefined) this.fail('ADR 0020', `${replicaId} shows ${torn}`);
  }

  // What initiators are told.

  /** A new end is shown only when every in-sync copy has it, durably (design section 5, "Size"). */
  resized(sizeBytes: number): void {
    for (const replica of this.#inSync()) {
      const { replicaId, directory } = replica;
      if (directory.metadata.sizeBytes >= sizeBytes || this.isDestroyed(replica)) continue;
      this.fail('section 5', `${replicaId} is shorter than the ${sizeBytes} bytes of the volume`);
    }
  }

  /** I1, I2: whatever the record lists in-sync has the write. */
  written({ write, range }: Done): void {
    for (const replica of this.#inSync()) {
      if (this.#isExcused(replica, write.start)) continue;
      const { data } = replica.directory;
      for (let block = range.first; block < range.first + range.count; block += 1) {
        const content = data.read(block);
        if (content === write.stamp) continue;
        if (!this.#facts.oracle.isOlder(block, content, write.start)) continue;
        this.fail('I1', `${replica.replicaId} lacks write ${write.stamp} in block ${block}`);
        return;
      }
    }
    if (write.isFua) this.flushed([{ write, range }]);
  }

  /** I8: what a flush covers is on stable storage of whatever the record lists in-sync. */
  flushed(covered: readonly Done[]): void {
    for (const replica of this.#inSync()) {
      if (this.isDestroyed(replica)) continue;
      for (const { write, range } of covered) {
        const block = this.#findOlder(replica, range.first, range.first + range.count, write.start);
        if (block === undefined) continue;
        const what = `${replica.replicaId} has write ${write.stamp} in block ${block} not durable`;
        this.fail('I8', what);
        return;
      }
    }
  }

  #findOlder(replica: SimReplica, first: number, end: number, tick: number): number | undefined {
    const { data } = replica.directory;
    for (let block = first; block < end; block += 1) {
      if (this.#facts.oracle.isOlder(block, data.readDurable(block), tick)) return block;
    }
    return undefined;
  }

  // What controllers do.

  /** I6: the first I/O finds all in-sync copies identical. */
  serving({ instanceId }: SimController, startTick: number): void {
    const copies = this.#inSync().filter((replica) => !this.#isExcused(replica, startTick));
    const [first, ...others] = copies;
    for (const copy of copies) this.#expectWhole(copy);
    for (const other of others) {
      const block = first!.directory.data.findDifference(other.directory.data);
      if (block === undefined) continue;
      const names = `${first!.replicaId} and ${other.replicaId}`;
      this.fail('I6', `${instanceId} serves while ${names} differ in block ${block}`);
      return;
    }
    for (const replica of copies) this.#damage.delete(replica);
  }

  /** I13: writes are given up only when no in-sync copy has them, or in alwayson none that is there. */
  powerLost(controller: SimController): void {
    const isPatient = controller.failureMode !== 'alwayson';
    const witness = this.#inSync().find(
      (replica) => this.#hasEverything(replica) && (isPatient || isConnected(controller, replica)),
    );
    if (witness === undefined) return;
    const { replicaId } = witness;
    this.fail('I13', `${controller.instanceId} gives writes up that ${replicaId} has`);
  }

  /** It lost nothing, nor does it believe so. */
  #hasEverything(replica: SimReplica): boolean {
    const { status, directory } = replica;
    const isModest = status?.restart === 'may-lack-writes' || directory.metadata.mayLackWrites;
    return !this.#damage.has(replica) && !isModest;
  }

  /** I3, I12, I14: what may become of the record. */
  stored(before: Membership, after: Membership): void {
    if (after.version !== before.version + 1) this.fail('I3', 'a version was left out');
    const isTakeover = after.epoch === before.epoch + 1 && after.generation > before.generation;
    const isSameOwner = after.controller?.instanceId === before.controller?.instanceId;
    if (!isTakeover && !(isSameOwner && after.epoch === before.epoch)) {
      this.fail('I3', `epoch ${after.epoch} of ${after.controller?.instanceId} was not taken`);
    }
    if (inSyncIn(after).length === 0) this.fail('I12', 'no copy is in-sync any more');
    for (const [replicaId, { state, dataId }] of Object.entries(before.copies)) {
      const next = after.copies[replicaId];
      if (next === undefined && state === 'in-sync') this.fail('I12', `${replicaId} was removed`);
      if (next?.state === 'in-sync' && state !== 'in-sync') this.#joined(replicaId);
      const isNewSync = state !== 'syncing' || next?.dataId !== dataId;
      if (next?.state === 'syncing' && isNewSync) this.#syncing(replicaId);
    }
  }

  /** A CHECKPOINT arrived at a copy. */
  checkpointing(replica: SimReplica): void {
    const { data } = replica.directory;
    const { changeCount } = data;
    this.#checkpoints.set(replica, { tick: this.#facts.oracle.tick(), data, changeCount });
  }

  #syncing(replicaId: string): void {
    const replica = this.#facts.replicas.get(replicaId);
    if (replica !== undefined) this.#checkpoints.delete(replica);
  }

  #joined(replicaId: string): void {
    const replica = this.#facts.replicas.get(replicaId);
    if (replica === undefined) return;
    const checkpoint = this.#checkpoints.get(replica);
    // Whatever happened to it since it answered, it had been what it said.
    if (checkpoint !== undefined && this.#isExcused(replica, checkpoint.tick)) return;
    this.#damage.delete(replica);
    if (checkpoint !== undefined && checkpoint.changeCount <= checkpoint.data.durableCount) return;
    this.fail('I14', `${replicaId} is in-sync before what it received is durable`);
  }

  #inSync(): SimReplica[] {
    return inSyncIn(this.#facts.record()).flatMap(
      (replicaId) => this.#facts.replicas.get(replicaId) ?? [],
    );
  }

  /** It lost something after `tick`, so it need not have what it had. */
  #isExcused(replica: SimReplica, tick: number): boolean {
    const damage = this.#damage.get(replica);
    return damage !== undefined && (damage.isDestroyed || damage.tick > tick);
  }
}

function isConnected(controller: SimController, { replicaId }: SimReplica): boolean {
  const status = controller.statuses()?.find((copy) => copy.replicaId === replicaId);
  return status?.isConnected === true;
}

function inSyncIn({ copies }: Membership): string[] {
  return Object.entries(copies)
    .filter(([, { state }]) => state === 'in-sync')
    .map(([replicaId]) => replicaId);
}
