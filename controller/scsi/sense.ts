/** A sense key with its additional sense code and qualifier (SPC-4 clause 4.5.6). */
export interface SenseCode {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}

const KEY = {
  NO_SENSE: 0x0,
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  HARDWARE_ERROR: 0x4,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
  COPY_ABORTED: 0xa,
  MISCOMPARE: 0xe,
} as const;

export const SENSE = {
  NONE: { key: KEY.NO_SENSE, asc: 0x00, ascq: 0x00 },
  /**
   * The failure mode forbids I/O. "Cause not reportable" on purpose: 04h/01h (becoming ready)
   * would make Linux repeat the command for minutes, and each time it would be held anew, while
   * design section 6 promises an error after one bounded hold.
   */
  NOT_READY: { key: KEY.NOT_READY, asc: 0x04, ascq: 0x00 },
  CAPACITY_DATA_HAS_CHANGED: { key: KEY.UNIT_ATTENTION, asc: 0x2a, ascq: 0x09 },
  SANITIZE_IN_PROGRESS: { key: KEY.NOT_READY, asc: 0x04, ascq: 0x1b },
  SANITIZE_FAILED: { key: KEY.MEDIUM_ERROR, asc: 0x31, ascq: 0x03 },
  SELF_TEST_FAILED: { key: KEY.HARDWARE_ERROR, asc: 0x3e, ascq: 0x03 },
  INTERNAL_TARGET_FAILURE: { key: KEY.HARDWARE_ERROR, asc: 0x44, ascq: 0x00 },
  PARAMETER_LIST_LENGTH_ERROR: { key: KEY.ILLEGAL_REQUEST, asc: 0x1a, ascq: 0x00 },
  INVALID_OPERATION_CODE: { key: KEY.ILLEGAL_REQUEST, asc: 0x20, ascq: 0x00 },
  LBA_OUT_OF_RANGE: { key: KEY.ILLEGAL_REQUEST, asc: 0x21, ascq: 0x00 },
  INVALID_FIELD_IN_CDB: { key: KEY.ILLEGAL_REQUEST, asc: 0x24, ascq: 0x00 },
  LOGICAL_UNIT_NOT_SUPPORTED: { key: KEY.ILLEGAL_REQUEST, asc: 0x25, ascq: 0x00 },
  INVALID_FIELD_IN_PARAMETER_LIST: { key: KEY.ILLEGAL_REQUEST, asc: 0x26, ascq: 0x00 },
  OPERATION_IN_PROGRESS: { key: KEY.ILLEGAL_REQUEST, asc: 0x00, ascq: 0x16 },
  TOO_MANY_CSCD_DESCRIPTORS: { key: KEY.ILLEGAL_REQUEST, asc: 0x26, ascq: 0x06 },
  UNSUPPORTED_CSCD_DESCRIPTOR: { key: KEY.ILLEGAL_REQUEST, asc: 0x26, ascq: 0x07 },
  TOO_MANY_SEGMENT_DESCRIPTORS: { key: KEY.ILLEGAL_REQUEST, asc: 0x26, ascq: 0x08 },
  UNSUPPORTED_SEGMENT_DESCRIPTOR: { key: KEY.ILLEGAL_REQUEST, asc: 0x26, ascq: 0x09 },
  INVALID_RELEASE_OF_PERSISTENT_RESERVATION: { key: KEY.ILLEGAL_REQUEST, asc: 0x26, ascq: 0x04 },
  SAVING_NOT_SUPPORTED: { key: KEY.ILLEGAL_REQUEST, asc: 0x39, ascq: 0x00 },
  INSUFFICIENT_REGISTRATION_RESOURCES: { key: KEY.ILLEGAL_REQUEST, asc: 0x55, ascq: 0x04 },
  /** ASCQ 00h rather than 01h: initiators that wait for a device to settle look for this one. */
  POWER_ON: { key: KEY.UNIT_ATTENTION, asc: 0x29, ascq: 0x00 },
  BUS_DEVICE_RESET: { key: KEY.UNIT_ATTENTION, asc: 0x29, ascq: 0x03 },
  RESERVATIONS_PREEMPTED: { key: KEY.UNIT_ATTENTION, asc: 0x2a, ascq: 0x03 },
  RESERVATIONS_RELEASED: { key: KEY.UNIT_ATTENTION, asc: 0x2a, ascq: 0x04 },
  REGISTRATIONS_PREEMPTED: { key: KEY.UNIT_ATTENTION, asc: 0x2a, ascq: 0x05 },
  COMMANDS_CLEARED_BY_ANOTHER_INITIATOR: { key: KEY.UNIT_ATTENTION, asc: 0x2f, ascq: 0x00 },
  PERSISTENT_RESERVATION_INFORMATION_LOST: { key: KEY.DATA_PROTECT, asc: 0x44, ascq: 0x01 },
  MODE_PARAMETERS_CHANGED: { key: KEY.UNIT_ATTENTION, asc: 0x2a, ascq: 0x01 },
  SOFTWARE_WRITE_PROTECTED: { key: KEY.DATA_PROTECT, asc: 0x27, ascq: 0x02 },
  SPACE_ALLOCATION_FAILED: { key: KEY.DATA_PROTECT, asc: 0x27, ascq: 0x07 },
  COPY_ABORTED: { key: KEY.COPY_ABORTED, asc: 0x00, ascq: 0x00 },
  UNREACHABLE_COPY_TARGET: { key: KEY.COPY_ABORTED, asc: 0x08, ascq: 0x04 },
  COPY_TARGET_NOT_REACHABLE: { key: KEY.COPY_ABORTED, asc: 0x0d, ascq: 0x02 },
  INCORRECT_COPY_TARGET_TYPE: { key: KEY.COPY_ABORTED, asc: 0x0d, ascq: 0x03 },
  MISCOMPARE: { key: KEY.MISCOMPARE, asc: 0x1d, ascq: 0x00 },
} as const satisfies Record<string, SenseCode>;

/** What some sense codes say besides. */
export interface SenseDetail {
  /** INFORMATION field: for a miscompare, the byte offset of the first difference. */
  readonly information?: number;
  /** Sense-key specific field pointer: which byte is wrong, of the CDB or of the parameter list. */
  readonly field?: { readonly of: 'cdb' | 'parameters'; readonly byteIndex: number };
  /** Sense-key specific progress indication, 0 to 1 (exclusive). Not together with `field`. */
  readonly progress?: number;
}

const SKSV_BIT = 0x80;
const CDB_BIT = 0x40;
const TWO_TO_16 = 2 ** 16;

/**
 * Fixed-format sense data, 18 bytes, current error (SPC-4 clause 4.5.3).
 *
 *    0  VALID (80h) and response code 70h     12  additional sense code
 *    2  sense key                             13  its qualifier
 *    3  information, 4 bytes                  15  SKSV (80h), C/D (40h: the CDB)
 *    7  additional length 10                  16  field pointer, 2 bytes
 */
export function makeFixedSense(code: SenseCode, detail: SenseDetail = {}): Buffer {
  const sense = Buffer.alloc(18);
  sense[0] = 0x70;
  sense[2] = code.key;
  sense[7] = sense.length - 8;
  sense[12] = code.asc;
  sense[13] = code.ascq;
  if (detail.information !== undefined) {
    sense[0] |= 0x80;
    sense.writeUInt32BE(detail.information, 3);
  }
  makeKeySpecific(detail)?.copy(sense, 15);
  return sense;
}

/** The three sense-key specific bytes (SPC-4 clause 4.5.2.4), if there is something to say in them. */
function makeKeySpecific({ field, progress }: SenseDetail): Buffer | undefined {
  const bytes = Buffer.alloc(3);
  if (field !== undefined) {
    bytes[0] = field.of === 'cdb' ? SKSV_BIT | CDB_BIT : SKSV_BIT;
    bytes.writeUInt16BE(field.byteIndex, 1);
  } else if (progress !== undefined) {
    bytes[0] = SKSV_BIT;
    bytes.writeUInt16BE(Math.floor(progress * TWO_TO_16), 1);
  } else {
    return undefined;
  }
  return bytes;
}

/**
 * Descriptor-format sense data, current error (SPC-4 clause 4.5.2): response code 72h, key, code,
 * qualifier, at byte 7 the length of what follows; here at most a sense-key specific descriptor.
 */
export function makeDescriptorSense(code: SenseCode, detail: SenseDetail = {}): Buffer {
  const header = Buffer.from([0x72, code.key, code.asc, code.ascq, 0, 0, 0, 0]);
  const keySpecific = makeKeySpecific(detail);
  if (keySpecific === undefined) return header;
  const descriptor = Buffer.from([0x02, 0x06, 0, 0, ...keySpecific, 0]);
  header[7] = descriptor.length;
  return Buffer.concat([header, descriptor]);
}
