import { type ByteRange, mergeRanges } from '../../../replica/common/ranges.ts';
import type { VolumeOperation } from '../../volume/operation.ts';
import { COPY_STEP_BYTES, LOGICAL_BLOCK_BYTES } from '../limits.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { dataOf, fail, succeed, whyFailed } from '../outcome.ts';
import type { DonePlan, NexusId, ScsiCommand, ScsiPlan, VolumePlan } from '../plan.ts';
import { SENSE } from '../sense.ts';
import { type CopyRequest, type CopySegment, readCopyRequest } from './copy-request.ts';
import type { CopyProgress } from './copy-results.ts';

const ZEROS: Buffer = Buffer.alloc(COPY_STEP_BYTES);

/**
 * EXTENDED COPY(LID1) within the volume (SPC-4 clause 6.4). Each segment is copied piece by piece; for
 * as long as the command runs, nobody else changes what it reads or writes. Pieces that are all zeros
 * are deallocated at their destination, so that a copy of a thin range stays thin.
 *
 * Errors: one in the parameter list refuses the command before anything is copied; one of a segment
 * ends it, and those before it are done: COPY ABORTED when the segment names what cannot be copied, and
 * what a read or write reports when that fails.
 */
export function extendedCopy(unit: LogicalUnit, { cdb, dataOut, nexus }: ScsiCommand): ScsiPlan {
  const listBytes = cdb.readUInt32BE(10);
  if (listBytes === 0) return succeed(0);
  if (dataOut.length < listBytes) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  const request = readCopyRequest(dataOut.subarray(0, listBytes), unit.identity);
  if ('kind' in request) return request;
  const { listId } = request;
  const isTaken = listId !== undefined && unit.copyResults.isRunning(nexus, listId);
  if (isTaken || !unit.copyResults.hasRoom) return fail(SENSE.OPERATION_IN_PROGRESS);
  unit.copyResults.started(nexus, listId);
  const segments = request.segments.map((segment) => checkSegment(unit, segment));
  const done = succeed(listBytes);
  const plan = new Copy({ unit, nexus, request: { listId, segments }, done }).planFrom(0);
  if (plan.kind !== 'volume') return plan;
  const ranges = segments
    .filter(({ failure, blocks }) => failure === undefined && blocks > 0)
    .flatMap(rangesOf);
  return { ...plan, locks: mergeRanges(ranges) };
}

/** A piece of a segment. Units: bytes. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** One command's copy, and how far it is. */
class Copy {
  readonly #unit: LogicalUnit;
  readonly #nexus: NexusId;
  readonly #request: CopyRequest;
  readonly #done: DonePlan;
  #bytesDone = 0;

  constructor(command: {
    unit: LogicalUnit;
    nexus: NexusId;
    request: CopyRequest;
    done: DonePlan;
  }) {
    this.#unit = command.unit;
    this.#nexus = command.nexus;
    this.#request = command.request;
    this.#done = command.done;
  }

  /** All from this segment on. */
  planFrom(index: number): DonePlan | VolumePlan {
    const segment = this.#request.segments[index];
    if (segment === undefined) {
      this.#report('completed', index);
      return this.#done;
    }
    if (segment.failure !== undefined) return this.#abort(index, fail(segment.failure));
    this.#report('running', index);
    return this.#planPieces(index, piecesOf(segment));
  }

  #planPieces(index: number, [piece, ...rest]: readonly Piece[]): DonePlan | VolumePlan {
    if (piece === undefined) return this.planFrom(index + 1);
    const { from, to, length } = piece;
    return this.#planOperation(index, { kind: 'read', offset: from, length }, (data) =>
      this.#planOperation(index, makeChange(to, data), () => {
        this.#bytesDone += length;
        return this.#planPieces(index, rest);
      }),
    );
  }

  #planOperation(
    index: number,
    operation: VolumeOperation,
    next: (data: Buffer) => DonePlan | VolumePlan,
  ): VolumePlan {
    return {
      kind: 'volume',
      operations: [operation],
      next: (outcomes) => {
        const failure = whyFailed(outcomes);
        return failure === undefined ? next(dataOf(outcomes)) : this.#abort(index, failure);
      },
    };
  }

  /** The code of the failure stays, so that the initiator can tell a full disk from a lost one. */
  #abort(index: number, failure: DonePlan): DonePlan {
    this.#report('aborted', index);
    return failure;
  }

  #report(status: CopyProgress['status'], segmentsDone: number): void {
    const progress = { status, segmentsDone, bytesDone: this.#bytesDone };
    this.#unit.copyResults.advanced(this.#nexus, this.#request.listId, progress);
  }
}

function checkSegment(unit: LogicalUnit, segment: CopySegment): CopySegment {
  const isInside =
    segment.sourceLba + segment.blocks <= unit.blockCount &&
    segment.targetLba + segment.blocks <= unit.blockCount;
  return segment.failure !== undefined || isInside
    ? segment
    : { ...segment, failure: SENSE.COPY_ABORTED };
}

/** In the order that never writes what is still to be read, where source and destination overlap. */
function piecesOf({ sourceLba, targetLba, blocks }: CopySegment): Piece[] {
  const pieces: Piece[] = [];
  const bytes = blocks * LOGICAL_BLOCK_BYTES;
  const source = sourceLba * LOGICAL_BLOCK_BYTES;
  const target = targetLba * LOGICAL_BLOCK_BYTES;
  for (let at = 0; at < bytes; at += COPY_STEP_BYTES) {
    const length = Math.min(COPY_STEP_BYTES, bytes - at);
    pieces.push({ from: source + at, to: target + at, length });
  }
  return target > source ? pieces.reverse() : pieces;
}

function makeChange(offset: number, data: Buffer): VolumeOperation {
  const { length } = data;
  const isZero = data.equals(ZEROS.subarray(0, length));
  return isZero ? { kind: 'trim', offset, length } : { kind: 'write', offset, data, fua: false };
}

function rangesOf({ sourceLba, targetLba, blocks }: CopySegment): ByteRange[] {
  return [sourceLba, targetLba].map((lba) => ({
    start: lba * LOGICAL_BLOCK_BYTES,
    end: (lba + blocks) * LOGICAL_BLOCK_BYTES,
  }));
}
