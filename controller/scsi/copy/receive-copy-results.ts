import { unreachable } from '../../../replica/common/assert.ts';
import {
  LOGICAL_BLOCK_BYTES,
  MAX_CONCURRENT_COPIES,
  MAX_COPY_SEGMENTS,
  MAX_CSCD_DESCRIPTORS,
  MAX_SEGMENT_BLOCKS,
} from '../limits.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { answer, failCdbField } from '../outcome.ts';
import type { ScsiCommand, ScsiPlan } from '../plan.ts';
import {
  CSCD_TYPE_IDENTIFICATION,
  MAX_DESCRIPTOR_LIST_BYTES,
  SEGMENT_TYPE_BLOCK_TO_BLOCK,
} from './copy-request.ts';
import type { CopyProgress } from './copy-results.ts';

/** TRANSFER COUNT UNITS: KiB. */
const KIB_UNITS = 1;

/** RECEIVE COPY STATUS(LID1), 12 bytes (SPC-4 clause 6.24). */
export function receiveCopyStatus(unit: LogicalUnit, { cdb, nexus }: ScsiCommand): ScsiPlan {
  const progress = unit.copyResults.take(nexus, cdb.readUInt8(2));
  if (progress === undefined) return failCdbField(2);
  const data = Buffer.alloc(12);
  data.writeUInt32BE(data.length - 4, 0);
  data[4] = statusOf(progress);
  data.writeUInt16BE(progress.segmentsDone, 5);
  data[7] = KIB_UNITS;
  data.writeUInt32BE(Math.floor(progress.bytesDone / 1024), 8);
  return answer(data, cdb.readUInt32BE(10));
}

/** COPY MANAGER STATUS; bit 7 would say that there is held data to receive. */
function statusOf({ status }: CopyProgress): number {
  switch (status) {
    case 'running':
      return 0x00;
    case 'completed':
      return 0x01;
    case 'aborted':
      return 0x02;
    default:
      return unreachable(status, 'copy status');
  }
}

/**
 * RECEIVE COPY OPERATING PARAMETERS (SPC-4 clause 6.22):
 *
 *    0  4  available data             16  4  maximum segment length     36  1  concurrent copies
 *    4  1  SNLID 01h                  20  4  maximum inline data        37  3  granularities, log 2
 *    8  2  maximum CSCD count         24  4  held data limit            43  1  number of types
 *   10  2  maximum segment count      28  4  stream transfer size       44  …  descriptor types
 *   12  4  maximum list length        34  2  total concurrent copies
 */
export function receiveCopyParameters(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const types = [SEGMENT_TYPE_BLOCK_TO_BLOCK, CSCD_TYPE_IDENTIFICATION];
  const data = Buffer.alloc(44 + types.length);
  data.writeUInt32BE(data.length - 4, 0);
  data[4] = 0x01; // SNLID: a list identifier may be left out
  data.writeUInt16BE(MAX_CSCD_DESCRIPTORS, 8);
  data.writeUInt16BE(MAX_COPY_SEGMENTS, 10);
  data.writeUInt32BE(MAX_DESCRIPTOR_LIST_BYTES, 12);
  data.writeUInt32BE(MAX_SEGMENT_BLOCKS * LOGICAL_BLOCK_BYTES, 16);
  data.writeUInt16BE(MAX_CONCURRENT_COPIES, 34);
  data[36] = MAX_CONCURRENT_COPIES;
  data[37] = Math.log2(LOGICAL_BLOCK_BYTES);
  data[43] = types.length;
  data.set(types, 44);
  return answer(data, cdb.readUInt32BE(10));
}
