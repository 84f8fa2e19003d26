/** Numbers of RFC 7143, by the section that defines them. Never renumbered. */

/** Section 11.2.1.2, initiator opcodes. */
export const REQUEST = {
  NOP_OUT: 0x00,
  SCSI_COMMAND: 0x01,
  TASK_MANAGEMENT: 0x02,
  LOGIN: 0x03,
  TEXT: 0x04,
  DATA_OUT: 0x05,
  LOGOUT: 0x06,
  SNACK: 0x10,
} as const;

/** Section 11.2.1.2, target opcodes. */
export const RESPONSE = {
  NOP_IN: 0x20,
  SCSI_RESPONSE: 0x21,
  TASK_MANAGEMENT: 0x22,
  LOGIN: 0x23,
  TEXT: 0x24,
  DATA_IN: 0x25,
  LOGOUT: 0x26,
  R2T: 0x31,
  ASYNC_MESSAGE: 0x32,
  REJECT: 0x3f,
} as const;

/** Section 11.17.1. */
export const REJECT_REASON = {
  DATA_DIGEST_ERROR: 0x02,
  SNACK_REJECT: 0x03,
  PROTOCOL_ERROR: 0x04,
  COMMAND_NOT_SUPPORTED: 0x05,
  IMMEDIATE_COMMAND_REJECT: 0x06,
  TASK_IN_PROGRESS: 0x07,
  INVALID_PDU_FIELD: 0x09,
} as const;
export type RejectReason = (typeof REJECT_REASON)[keyof typeof REJECT_REASON];

/** Section 11.13.5: status class in the high byte, status detail in the low one. */
export const LOGIN_STATUS = {
  SUCCESS: 0x0000,
  INITIATOR_ERROR: 0x0200,
  AUTHENTICATION_FAILURE: 0x0201,
  AUTHORIZATION_FAILURE: 0x0202,
  TARGET_NOT_FOUND: 0x0203,
  UNSUPPORTED_VERSION: 0x0205,
  TOO_MANY_CONNECTIONS: 0x0206,
  MISSING_PARAMETER: 0x0207,
  SESSION_TYPE_NOT_SUPPORTED: 0x0209,
  SESSION_DOES_NOT_EXIST: 0x020a,
  INVALID_DURING_LOGIN: 0x020b,
  OUT_OF_RESOURCES: 0x0302,
} as const;
export type LoginStatus = (typeof LOGIN_STATUS)[keyof typeof LOGIN_STATUS];

/** Section 11.12.3, the stages of a login; 2 is not defined. */
export const LOGIN_STAGE = { SECURITY: 0, OPERATIONAL: 1, FULL_FEATURE: 3 } as const;

/** Section 11.5.1. */
export const TASK_FUNCTION = {
  ABORT_TASK: 1,
  ABORT_TASK_SET: 2,
  CLEAR_ACA: 3,
  CLEAR_TASK_SET: 4,
  LOGICAL_UNIT_RESET: 5,
  TARGET_WARM_RESET: 6,
  TARGET_COLD_RESET: 7,
  TASK_REASSIGN: 8,
} as const;

/** Section 11.6.1. */
export const TASK_RESPONSE = {
  FUNCTION_COMPLETE: 0,
  TASK_DOES_NOT_EXIST: 1,
  LUN_DOES_NOT_EXIST: 2,
  REASSIGNMENT_NOT_SUPPORTED: 4,
  FUNCTION_NOT_SUPPORTED: 5,
  FUNCTION_REJECTED: 255,
} as const;
export type TaskResponse = (typeof TASK_RESPONSE)[keyof typeof TASK_RESPONSE];

/** Sections 11.14.1 and 11.15.1. */
export const LOGOUT_REASON = { CLOSE_SESSION: 0, CLOSE_CONNECTION: 1, RECOVERY: 2 } as const;
export const LOGOUT_RESPONSE = {
  CLOSED: 0,
  CONNECTION_NOT_FOUND: 1,
  RECOVERY_NOT_SUPPORTED: 2,
} as const;

/** Section 11.9.1: the target asks for a logout. */
export const ASYNC_REQUEST_LOGOUT = 1;

/** "No tag" wherever a task or transfer tag may be absent. */
export const NO_TAG = 0xffffffff;

/** The only version of the protocol (section 11.12.4). */
export const PROTOCOL_VERSION = 0;

/** Bits of the flags byte (byte 1), by PDU. */
export const FINAL = 0x80;
export const COMMAND_FLAG = { READ: 0x40, WRITE: 0x20 } as const;
export const RESIDUAL_FLAG = { OVERFLOW: 0x04, UNDERFLOW: 0x02 } as const;
/** A Data-In PDU that carries the status of its command. */
export const DATA_IN_STATUS = 0x01;
/** The text goes on in the next PDU (Login and Text). */
export const TEXT_CONTINUES = 0x40;
/** Opcode byte: deliver at once, without taking a CmdSN. */
export const IMMEDIATE = 0x40;
export const OPCODE_MASK = 0x3f;

/** Section 11.4.7.2: sense data for failures of the transport; key ABORTED COMMAND. */
export const TRANSPORT_SENSE = {
  /** WRITE ERROR - UNEXPECTED UNSOLICITED DATA. */
  UNEXPECTED_UNSOLICITED_DATA: 0x0c0c,
  /** WRITE ERROR - NOT ENOUGH UNSOLICITED DATA, which iSCSI uses for any incorrect amount. */
  INCORRECT_AMOUNT_OF_DATA: 0x0c0d,
  /** PROTOCOL SERVICE CRC ERROR. */
  PROTOCOL_SERVICE_CRC_ERROR: 0x4705,
} as const;
export type TransportSense = (typeof TRANSPORT_SENSE)[keyof typeof TRANSPORT_SENSE];
