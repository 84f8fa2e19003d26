import { assert } from '../../replica/common/assert.ts';
import {
  BLOCK_BYTES,
  MAX_ATOMIC_BYTES,
  MAX_IO_BYTES,
  MAX_MAP_BYTES,
  MAX_TRIM_BYTES,
} from '../../replica/common/limits.ts';

/** Logical block: what initiators address. Every one of them can boot from 512. */
export const LOGICAL_BLOCK_BYTES = 512;

/** 2^3 logical blocks make one physical block, the unit of provisioning. */
export const PHYSICAL_BLOCK_EXPONENT = 3;
export const LOGICAL_BLOCKS_PER_PHYSICAL = 2 ** PHYSICAL_BLOCK_EXPONENT;

/** MAXIMUM TRANSFER LENGTH: one command is one volume operation. */
export const MAX_TRANSFER_BLOCKS = MAX_IO_BYTES / LOGICAL_BLOCK_BYTES;

/** OPTIMAL TRANSFER LENGTH, 1 MiB: large enough to stream, small enough not to hold up others. */
export const OPTIMAL_TRANSFER_BLOCKS = 2048;

/** MAXIMUM COMPARE AND WRITE LENGTH; the field of the CDB has one byte. */
export const MAX_COMPARE_BLOCKS = 255;

/** MAXIMUM UNMAP LBA COUNT, 512 MiB over all descriptors of one command. */
export const MAX_UNMAP_BLOCKS = 1024 * 1024;
export const MAX_UNMAP_DESCRIPTORS = 256;

/**
 * MAXIMUM WRITE SAME LENGTH, 16 MiB. A pattern that is not zero becomes up to 16 writes that share
 * one buffer, so the limit also bounds what a single small command can make the volume do.
 */
export const MAX_WRITE_SAME_BLOCKS = 32 * 1024;
export const WRITE_SAME_STEP_BYTES = 1024 * 1024;

/**
 * WRITE ATOMIC(16): a copy has it either as it was or as it is now, whatever ends in the middle of the
 * write. One physical block is so by itself; what is longer goes through the copies' journals (ADR 0020).
 */
export const MAX_ATOMIC_BLOCKS = MAX_ATOMIC_BYTES / LOGICAL_BLOCK_BYTES;

/**
 * SANITIZE writes so much at a time, each write with a flush behind it: other volumes on the same disks
 * wait for one such write at most, however large the volume is.
 */
export const SANITIZE_WRITE_BYTES = 256 * 1024;
export const SANITIZE_ERASE_BYTES = 256 * 1024 * 1024;

/** EXTENDED COPY: what one command can name. The block count of a segment has 16 bits: 32 MiB. */
export const MAX_CSCD_DESCRIPTORS = 2;
export const MAX_COPY_SEGMENTS = 64;
export const MAX_SEGMENT_BLOCKS = 0xffff;
/** Commands that copy at the same time, over all nexuses. */
export const MAX_CONCURRENT_COPIES = 16;
/** What a copy holds in memory at a time. */
export const COPY_STEP_BYTES = 1024 * 1024;

/**
 * GET LBA STATUS asks for so much of the map at once, and so often for one command: 512 MiB, a few
 * milliseconds. qemu asks before it reads, so a command must not take long.
 */
export const MAP_STEP_BYTES = MAX_MAP_BYTES;
export const MAX_MAP_STEPS = 16;
/** Descriptors that one GET LBA STATUS returns. */
export const MAX_LBA_STATUS_DESCRIPTORS = 1024;

assert(SANITIZE_WRITE_BYTES <= MAX_IO_BYTES, 'a step of a sanitize overwrite is one write');
assert(SANITIZE_ERASE_BYTES <= MAX_TRIM_BYTES, 'a step of a sanitize block erase is one trim');
assert(COPY_STEP_BYTES <= MAX_IO_BYTES, 'a step of a copy is one read and one write');
assert(
  LOGICAL_BLOCK_BYTES * LOGICAL_BLOCKS_PER_PHYSICAL === BLOCK_BYTES,
  'a physical block is the unit of provisioning',
);
assert(MAX_UNMAP_BLOCKS * LOGICAL_BLOCK_BYTES <= MAX_TRIM_BYTES, 'an unmap descriptor is one trim');
assert(
  MAX_WRITE_SAME_BLOCKS * LOGICAL_BLOCK_BYTES <= MAX_TRIM_BYTES,
  'an unmapping WRITE SAME is one trim',
);
assert(MAX_COMPARE_BLOCKS <= MAX_TRANSFER_BLOCKS, 'a compare is one read');
assert(WRITE_SAME_STEP_BYTES <= MAX_IO_BYTES, 'a write-same step is one write');
