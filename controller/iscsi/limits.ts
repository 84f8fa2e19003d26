import { assert } from '../../replica/common/assert.ts';
import { MAX_IO_BYTES } from '../../replica/common/limits.ts';

/** Commands that a session may have under way: the width of its command window. */
export const QUEUE_DEPTH = 128;

/** Immediate SCSI commands and task management requests under way, beside the window. */
export const MAX_IMMEDIATE = 16;

/** Sessions and connections of one target. What exceeds them is refused or closed. */
export const MAX_SESSIONS = 64;
export const MAX_CONNECTIONS = 128;

/** Largest data segment that we take in one PDU (declared as MaxRecvDataSegmentLength). */
export const MAX_RECV_DATA_SEGMENT_BYTES = 256 * 1024;

/** Largest unsolicited part of a write: 128 × 256 KiB = 32 MiB for a full window. */
export const FIRST_BURST_BYTES = 256 * 1024;

/** Largest answer to one R2T, and longest sequence of Data-In PDUs. */
export const MAX_BURST_BYTES = 1024 * 1024;

/** R2Ts that one write may have open: keeps the wire busy while bursts are gathered. */
export const MAX_OUTSTANDING_R2T = 8;

/** Bytes that one session is asked for by R2T at a time; further writes wait for their R2T. */
export const SOLICITED_BYTES_PER_SESSION = 32 * 1024 * 1024;

/** Text of one login or text exchange, over all its PDUs (RFC 7143 section 6.2 suggests 64 KiB). */
export const MAX_TEXT_BYTES = 64 * 1024;

/** An extended CDB of 260 bytes takes 248, a bidirectional read length 8. */
export const MAX_AHS_BYTES = 256;

/** Bounds what a login that never ends makes us remember: 64 texts of 64 KiB are 4 MiB. */
export const MAX_LOGIN_REQUESTS = 64;
export const LOGIN_TIMEOUT_MS = 15_000;
/** A connection that has been silent this long is asked for a sign of life … */
export const PING_AFTER_MS = 10_000;
/** … and given up when there was still none. */
export const SILENCE_LIMIT_MS = 20_000;
/** Discovery sessions are not pinged; they are short by nature. */
export const DISCOVERY_IDLE_MS = 60_000;
/** How long an initiator may take to log out once it was asked to. */
export const LOGOUT_WAIT_SECONDS = 10;

assert(FIRST_BURST_BYTES <= MAX_BURST_BYTES, 'a first burst fits a burst (RFC 7143 section 13.14)');
assert(MAX_BURST_BYTES <= MAX_IO_BYTES, 'a burst fits the largest write');
assert(MAX_IO_BYTES <= SOLICITED_BYTES_PER_SESSION, 'one write can always be solicited');
