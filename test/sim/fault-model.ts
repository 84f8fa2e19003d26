/**
 * What the simulator does to a cluster, and what it does not.
 *
 * **Network.** Each connection delivers in order or ends; connections overtake each other. Messages
 * between two hosts may be held up in one direction or both, for any time; they arrive late, or the
 * connection is reset in between; the network falls in two, with a controller on either side. A host
 * that lost power says nothing. Questions to the registry and its answers are lost, or late enough
 * that the same was asked again.
 *
 * **Processes** are killed between any two effects of a turn and within a write or a save; stopped
 * for any time, after which everything that came is there at once; restarted by the orchestrator, or
 * started a second time beside one that it forgot. `goneInstances` lists only what has ended.
 *
 * **Clocks** are monotonic, start anywhere and run up to 10 % fast or slow. Wall clocks are not used.
 *
 * **Disks.** A killed process loses nothing that it wrote. A power loss keeps, of what was not made
 * durable, any set of 512-byte sectors, torn writes included. A failed fdatasync says so once, and
 * the page cache has forgotten some of the pages, as if they were clean, or forgets them later, when a
 * sync may have found them equal. Reads, writes and saves fail; space runs out, in the middle of a
 * write as well, now and then of one whose space had been taken; fdatasync takes long. A process is
 * killed again while it carries its journal out. While one is down, a bit flips in one slot of the
 * metadata or anywhere in the region map or the hot extents; a directory is replaced by an empty one;
 * a disk goes back to a state of an earlier session, all its files together.
 *
 * **Operators** change mode, tolerance and number of replicas at any time, and nodes go away for
 * long; the planner reacts to both.
 *
 * Not played, because nothing is promised then:
 * - both slots of the metadata, or bits of the data or of the journal, are damaged: the disk below is
 *   trusted for its data, as every block device without checksums of its own does;
 * - a disk goes back within one session: it looks like a crash at that moment;
 * - clocks that differ by more than a fifth, or stop while their machine does not;
 * - every directory with a good copy is lost: a seed in which that happens ends there, and is counted;
 * - two processes on one directory: a file lock that the kernel keeps prevents it;
 * - messages that were forged or changed: a checksum and a shared secret are tested elsewhere.
 *
 * Not played here, because it is played elsewhere: sockets, files and timers (`test/chaos`), iSCSI
 * (`test/conformance`), writes that are no multiple of 4 KiB (a block is the unit of the oracle).
 */
export const FAULT_KINDS = [
  'break-connection',
  'cut-route',
  'cut-node',
  'cut-registry',
  'partition',
  'slow-network',
  'kill-replica',
  'kill-replica-within',
  'stop-replica',
  'shut-replica-down',
  'kill-controller',
  'kill-controller-within',
  'stop-controller',
  'shut-controller-down',
  'second-controller',
  'power-loss',
  'power-loss-everywhere',
  'fail-sync',
  'fail-sync-late',
  'fail-save',
  'fail-read',
  'fail-write',
  'fill-disk',
  'slow-disk',
  'flip-bit',
  'lose-directory',
  'roll-back',
  'lose-registry-messages',
  'slow-registry',
  'change-policy',
  'change-replicas',
  'grow-volume',
  'take-node-down',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** Throws when a name is none of them. */
export function readKinds(names: readonly string[]): FaultKind[] {
  return names.map((name) => {
    const kind = FAULT_KINDS.find((known) => known === name);
    if (kind !== undefined) return kind;
    throw new Error(`--kinds: expected some of ${FAULT_KINDS.join(', ')}, got ${name}`);
  });
}
