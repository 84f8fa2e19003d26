import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { readLba64 } from './extent.ts';
import {
  LOGICAL_BLOCK_BYTES,
  LOGICAL_BLOCKS_PER_PHYSICAL,
  MAP_STEP_BYTES,
  MAX_LBA_STATUS_DESCRIPTORS,
  MAX_MAP_STEPS,
} from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { answer, fail, run } from './outcome.ts';
import type { DonePlan, ScsiCommand, ScsiPlan, VolumePlan } from './plan.ts';
import { SENSE } from './sense.ts';

const HEADER_BYTES = 8;
const DESCRIPTOR_BYTES = 16;
const PROVISIONING = { MAPPED: 0, DEALLOCATED: 1 } as const;

/** Consecutive blocks of one provisioning status. */
interface Run {
  readonly lba: number;
  readonly status: number;
  blocks: number;
}

interface Scan {
  readonly unit: LogicalUnit;
  readonly runs: Run[];
  readonly maxRuns: number;
  readonly allocationBytes: number;
}

/**
 * GET LBA STATUS (SBC-3 clause 5.5): which blocks are deallocated, as the primary copy knows it, in
 * steps of a physical block. A long volume is not looked through at once: what is behind the last
 * descriptor the initiator asks for with another command, as the clause allows.
 */
export function getLbaStatus(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const lba = readLba64(cdb, 2);
  if (lba >= unit.blockCount) return fail(SENSE.LBA_OUT_OF_RANGE);
  const allocationBytes = cdb.readUInt32BE(10);
  const room = Math.floor((allocationBytes - HEADER_BYTES) / DESCRIPTOR_BYTES);
  const maxRuns = Math.min(Math.max(room, 1), MAX_LBA_STATUS_DESCRIPTORS);
  return planStep({ unit, runs: [], maxRuns, allocationBytes }, lba, 0);
}

/** Looks at the map from `lba` on, and goes on until there is no room for another run. */
function planStep(scan: Scan, lba: number, step: number): VolumePlan {
  const { unit, runs, maxRuns } = scan;
  const offset = Math.floor((lba * LOGICAL_BLOCK_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
  const length = Math.min(MAP_STEP_BYTES, unit.blockCount * LOGICAL_BLOCK_BYTES - offset);
  return run([{ kind: 'map', offset, length }], (map) => {
    for (let index = 0; index < map.length; index += 1) {
      const start = Math.max(
        lba,
        offset / LOGICAL_BLOCK_BYTES + index * LOGICAL_BLOCKS_PER_PHYSICAL,
      );
      const physicalEnd = offset / LOGICAL_BLOCK_BYTES + (index + 1) * LOGICAL_BLOCKS_PER_PHYSICAL;
      const end = Math.min(physicalEnd, unit.blockCount);
      const status = map[index] === 0 ? PROVISIONING.DEALLOCATED : PROVISIONING.MAPPED;
      if (!append(runs, { lba: start, blocks: end - start, status }, maxRuns)) return report(scan);
    }
    const next = (offset + length) / LOGICAL_BLOCK_BYTES;
    const isOver = next >= unit.blockCount || step + 1 === MAX_MAP_STEPS;
    return isOver ? report(scan) : planStep(scan, next, step + 1);
  });
}

/** Returns false when it would be one run too many. */
function append(runs: Run[], { lba, blocks, status }: Run, maxRuns: number): boolean {
  const last = runs.at(-1);
  if (last?.status === status) {
    last.blocks += blocks;
    return true;
  }
  if (runs.length === maxRuns) return false;
  runs.push({ lba, blocks, status });
  return true;
}

/**
 *    0  4  parameter data length          8  8  LBA
 *    4  4  reserved                      16  4  number of blocks      20  1  provisioning status
 */
function report({ runs, allocationBytes }: Scan): DonePlan {
  const data = Buffer.alloc(HEADER_BYTES + runs.length * DESCRIPTOR_BYTES);
  data.writeUInt32BE(data.length - 4, 0);
  for (const [index, { lba, blocks, status }] of runs.entries()) {
    const at = HEADER_BYTES + index * DESCRIPTOR_BYTES;
    data.writeBigUInt64BE(BigInt(lba), at);
    data.writeUInt32BE(blocks, at + 8);
    data[at + 12] = status;
  }
  return answer(data, allocationBytes);
}
