import { assert } from './assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Unit of volume sizes and of provisioning (holes). */
export const BLOCK_BYTES = 4 * KIB;

/** Unit of the region map: the generation that last wrote it is remembered for each. */
export const REGION_BYTES = 64 * KIB;

/** Unit of the hot extents: those that were written to since the last checkpoint. */
export const EXTENT_BYTES = 4 * MIB;

/** Largest range that is asked for its stamps at once: 64 KiB of reply. */
export const MAX_STAMPS_BYTES = 1024 * MIB;

/** No controller may be granted a longer lease than this. */
export const MAX_LEASE_MS = 60_000;

/** Largest number of bytes one read, write or resync step moves between controller and replica. */
export const MAX_IO_BYTES = 4 * MIB;

/** Longest write that a copy has as a whole or not at all, whatever ends in the middle (ADR 0020). */
export const MAX_ATOMIC_BYTES = 128 * KIB;

/** Largest range of one trim. It carries no data, so it may be longer than a write. */
export const MAX_TRIM_BYTES = 1024 * MIB;

/** Largest range that is asked for its holes at once: 8 KiB of reply. */
export const MAX_MAP_BYTES = 32 * MIB;

/** What a volume keeps beside its blocks: room for 64 persistent reservations and a half more. */
export const MAX_ATTRIBUTE_BYTES = 32 * KIB;

/** Largest volume: 64 TiB. Offsets stay safe integers with a wide margin (2^46 against 2^53). */
export const MAX_VOLUME_BYTES = 64 * 1024 * 1024 * MIB;

export const MAX_REPLICAS = 5;
export const MAX_COPIES = MAX_REPLICAS + 1;

export const REPLICATION_PORT = 5703;
export const REPLICA_ADMIN_PORT = 5704;
export const ISCSI_PORT = 3260;
export const CONTROLLER_ADMIN_PORT = 3261;
export const ORCHESTRATOR_PORT = 5705;

assert(MAX_IO_BYTES % BLOCK_BYTES === 0, 'an I/O limit is whole blocks');
assert(MAX_TRIM_BYTES % BLOCK_BYTES === 0, 'a trim limit is whole blocks');
assert(EXTENT_BYTES % REGION_BYTES === 0, 'an extent is whole regions');
assert(Number.isSafeInteger(MAX_VOLUME_BYTES), 'offsets must be safe integers');
