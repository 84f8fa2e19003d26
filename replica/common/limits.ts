import { assert } from './assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Unit of volume sizes and of provisioning (holes). */
export const BLOCK_BYTES = 4 * KIB;

/** Largest number of bytes one read, write or resync step moves between controller and replica. */
export const MAX_IO_BYTES = 4 * MIB;

/** Largest range of one trim. It carries no data, so it may be longer than a write. */
export const MAX_TRIM_BYTES = 1024 * MIB;

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
assert(Number.isSafeInteger(MAX_VOLUME_BYTES), 'offsets must be safe integers');
