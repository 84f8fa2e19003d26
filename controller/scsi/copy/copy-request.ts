import { makeUnitDesignators } from '../designators.ts';
import { readLba64 } from '../extent.ts';
import { LOGICAL_BLOCK_BYTES, MAX_COPY_SEGMENTS, MAX_CSCD_DESCRIPTORS } from '../limits.ts';
import type { DeviceIdentity } from '../logical-unit.ts';
import { fail, failParameterField } from '../outcome.ts';
import type { DonePlan } from '../plan.ts';
import { SENSE, type SenseCode } from '../sense.ts';

/** One segment: `blocks` from `sourceLba` on become what stands from `targetLba` on. */
export interface CopySegment {
  readonly sourceLba: number;
  readonly targetLba: number;
  readonly blocks: number;
  /** Why this segment cannot be carried out; those before it are. */
  readonly failure: SenseCode | undefined;
}

export interface CopyRequest {
  /** Undefined when the initiator does not want to ask how the copy went. */
  readonly listId: number | undefined;
  readonly segments: readonly CopySegment[];
}

export const HEADER_BYTES = 16;
export const CSCD_BYTES = 32;
export const SEGMENT_BYTES = 28;
export const CSCD_TYPE_IDENTIFICATION = 0xe4;
export const SEGMENT_TYPE_BLOCK_TO_BLOCK = 0x02;
/** Both lists together. */
export const MAX_DESCRIPTOR_LIST_BYTES =
  MAX_CSCD_DESCRIPTORS * CSCD_BYTES + MAX_COPY_SEGMENTS * SEGMENT_BYTES;

/** LIST ID USAGE: the identifier is valid, valid but its result may be discarded, or there is none. */
const LIST_ID_USAGE = { HOLD: 0, DISCARD: 2, NONE: 3 } as const;
/** Obsolete since SPC-4; there is no null device here to copy to. */
const NULL_BIT = 0x20;
const DEVICE_TYPE_BITS = 0x1f;

/**
 * Reads the parameter list of EXTENDED COPY(LID1), or refuses it (SPC-4 clause 6.4.3):
 *
 *    0  1  list identifier                   8  4  segment descriptor list length
 *    1  1  STR 20h, list id usage, priority  12 4  inline data length
 *    2  2  CSCD descriptor list length      16  …  CSCD descriptors, segment descriptors
 *
 * Reserved bytes are not looked at: initiators are known to leave what was in their memory there.
 */
export function readCopyRequest(list: Buffer, identity: DeviceIdentity): CopyRequest | DonePlan {
  if (list.length < HEADER_BYTES) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  const cscdBytes = list.readUInt16BE(2);
  const segmentBytes = list.readUInt32BE(8);
  const inlineBytes = list.readUInt32BE(12);
  if (cscdBytes + segmentBytes > MAX_DESCRIPTOR_LIST_BYTES) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  if (inlineBytes !== 0) return failParameterField(12);
  if (HEADER_BYTES + cscdBytes + segmentBytes > list.length) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  const usage = (list.readUInt8(1) >> 3) & 0x03;
  if (usage === 1) return failParameterField(1);
  if (usage === LIST_ID_USAGE.NONE && list.readUInt8(0) !== 0) return failParameterField(0);
  const segmentsAt = HEADER_BYTES + cscdBytes;
  const targets = readTargets(list.subarray(0, segmentsAt), identity);
  if (!Array.isArray(targets)) return targets;
  const segments = readSegments(list.subarray(0, segmentsAt + segmentBytes), segmentsAt, targets);
  if (!Array.isArray(segments)) return segments;
  return { listId: usage === LIST_ID_USAGE.NONE ? undefined : list.readUInt8(0), segments };
}

/** Of each CSCD descriptor why it cannot be copied from or to; undefined when it is this unit. */
function readTargets(list: Buffer, identity: DeviceIdentity): (SenseCode | undefined)[] | DonePlan {
  const bytes = list.length - HEADER_BYTES;
  if (bytes % CSCD_BYTES !== 0) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  if (bytes / CSCD_BYTES > MAX_CSCD_DESCRIPTORS) return fail(SENSE.TOO_MANY_CSCD_DESCRIPTORS);
  const targets: (SenseCode | undefined)[] = [];
  for (let at = HEADER_BYTES; at < list.length; at += CSCD_BYTES) {
    const descriptor = list.subarray(at, at + CSCD_BYTES);
    if (descriptor[0] !== CSCD_TYPE_IDENTIFICATION) return fail(SENSE.UNSUPPORTED_CSCD_DESCRIPTOR);
    if (descriptor.readUIntBE(29, 3) !== LOGICAL_BLOCK_BYTES) return failParameterField(at + 29);
    targets.push(whyNotThisUnit(descriptor, identity));
  }
  return targets;
}

/**
 * Identification descriptor CSCD descriptor (SPC-4 clause 6.4.5.6): a designator as in VPD page 83h at
 * byte 4, padded to 24 bytes; bytes 29 to 31 are the length of a block. LU ID TYPE, bits 7 and 6 of byte
 * 1, says how to read a logical unit number, and there is none in this kind.
 */
function whyNotThisUnit(descriptor: Buffer, identity: DeviceIdentity): SenseCode | undefined {
  const flags = descriptor.readUInt8(1);
  if ((flags & NULL_BIT) !== 0) return SENSE.COPY_TARGET_NOT_REACHABLE;
  if ((flags & DEVICE_TYPE_BITS) !== 0) return SENSE.INCORRECT_COPY_TARGET_TYPE;
  const [codeSet, type, , length] = descriptor.subarray(4, 8) as unknown as number[];
  const value = descriptor.subarray(8, 8 + (length as number));
  const isThisUnit = makeUnitDesignators(identity).some(
    (own) =>
      own[0] === ((codeSet as number) & 0x0f) &&
      own[1] === ((type as number) & 0x3f) &&
      own.subarray(4).equals(value),
  );
  return isThisUnit ? undefined : SENSE.COPY_TARGET_NOT_REACHABLE;
}

/**
 * Block device to block device (SPC-4 clause 6.4.6.5):
 *
 *    0  1  type 02h                        6  2  destination CSCD      20  8  destination LBA
 *    1  1  DC, CAT                        10  2  number of blocks
 *    2  2  descriptor length 18h          12  8  source LBA
 *    4  2  source CSCD
 */
function readSegments(
  list: Buffer,
  start: number,
  targets: readonly (SenseCode | undefined)[],
): CopySegment[] | DonePlan {
  const segments: CopySegment[] = [];
  for (let at = start; at < list.length; at += SEGMENT_BYTES) {
    if (list[at] !== SEGMENT_TYPE_BLOCK_TO_BLOCK) return fail(SENSE.UNSUPPORTED_SEGMENT_DESCRIPTOR);
    if (at + SEGMENT_BYTES > list.length) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
    if (list.readUInt16BE(at + 2) !== SEGMENT_BYTES - 4) return failParameterField(at + 2);
    if (segments.length === MAX_COPY_SEGMENTS) return fail(SENSE.TOO_MANY_SEGMENT_DESCRIPTORS);
    const ends = [list.readUInt16BE(at + 4), list.readUInt16BE(at + 6)];
    const failures = ends.map((index) =>
      index < targets.length ? targets[index] : SENSE.UNREACHABLE_COPY_TARGET,
    );
    segments.push({
      sourceLba: readLba64(list, at + 12),
      targetLba: readLba64(list, at + 20),
      blocks: list.readUInt16BE(at + 10),
      failure: failures[0] ?? failures[1],
    });
  }
  return segments;
}
