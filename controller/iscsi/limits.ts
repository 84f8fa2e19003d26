import { assert } from '../../replica/common/assert.ts';
import { MAX_IO_BYTES } from '../../replica/common/limits.ts';

/** Commands that a session may have under way: the width of its command window. */
export const QUEUE_DEPTH = 128;

/** Immediate SCSI commands and task management requests under way, beside the window. */
export const MAX_IMMEDIATE = 16;

/**
 * Sessions of one target. A volume is used by one host, or by a few that cluster over it, each with
 * a session per path; 64 is far beyond that. Each may cost 64 MiB of data on its way (below).
 */
export const MAX_SESSIONS = 64;
/** Half of them, so that one machine leaves room for another, whatever names it uses. */
export const MAX_SESSIONS_PER_ADDRESS = 32;
/** More paths than multipath setups have (8 at most), and twice that for sessions that just died. */
export const MAX_SESSIONS_PER_INITIATOR = 16;

/**
 * Connections that have not logged in yet: 64 texts of 64 KiB are 4 MiB. All hosts of a rack may
 * come at once when power is back; beyond that the oldest one gives way.
 */
export const MAX_LOGINS = 64;
/** All paths of a host at once; more are the same host trying again. */
export const MAX_LOGINS_PER_ADDRESS = 16;

/** Largest data segment that we take in one PDU (declared as MaxRecvDataSegmentLength). */
export const MAX_RECV_DATA_SEGMENT_BYTES = 256 * 1024;

/** Largest data segment of a login request: what holds before anything is declared (13.12). */
export const MAX_LOGIN_SEGMENT_BYTES = 8192;

/** Largest unsolicited part of a write: 128 × 256 KiB = 32 MiB for a full window. */
export const FIRST_BURST_BYTES = 256 * 1024;

/** Largest answer to one R2T, and longest sequence of Data-In PDUs. */
export const MAX_BURST_BYTES = 1024 * 1024;

/** R2Ts that one write may have open: keeps the wire busy while bursts are gathered. */
export const MAX_OUTSTANDING_R2T = 8;

/** Bytes that one session is asked for by R2T at a time; further writes wait for their R2T. */
export const SOLICITED_BYTES_PER_SESSION = 32 * 1024 * 1024;

/**
 * Data of writes that are not done, of all sessions together: sent unasked, or asked for. What would
 * exceed it waits for its R2T, or is answered TASK SET FULL when it came unasked.
 */
export const WRITE_BYTES = 512 * 1024 * 1024;
/** Of one machine: two full sessions (32 MiB unasked and 32 MiB asked for each); 4 make up all. */
export const WRITE_BYTES_PER_ADDRESS = 128 * 1024 * 1024;

/**
 * Data of reads that are under way, of all sessions together; further reads wait. What was read and
 * is not sent yet is bounded by the sockets (MAX_UNSENT_BYTES there): a session whose initiator does
 * not read its answers begins no further reads.
 */
export const READ_BYTES = 512 * 1024 * 1024;
/** Of one machine: a full window of 1 MiB each, which is what Linux cuts its reads to. */
export const READ_BYTES_PER_ADDRESS = 128 * 1024 * 1024;

/** Text of one login or text exchange, over all its PDUs (RFC 7143 section 6.2 suggests 64 KiB). */
export const MAX_TEXT_BYTES = 64 * 1024;

/** An extended CDB of 260 bytes takes 248, a bidirectional read length 8. */
export const MAX_AHS_BYTES = 256;

/** No login takes more than a handful; it bounds what one that never ends can make us do. */
export const MAX_LOGIN_REQUESTS = 64;
export const LOGIN_TIMEOUT_MS = 15_000;
/** A connection that has been silent this long is asked for a sign of life … */
export const PING_AFTER_MS = 10_000;
/**
 * … and given up when there was none for so long: it may be busy, or its network broken. Over a minute in
 * all, since programs on libiscsi sleep that long while they wait for a sanitize; whoever needs the
 * place of a dead one does not wait for this.
 */
export const PING_LIMIT_MS = 60_000;
/**
 * When there is no room for a newcomer, sessions that have been quiet this long are asked for a sign
 * of life at once …
 */
export const QUIET_MS = 1_000;
/** … and one that had this long to answer gives way. A round trip takes milliseconds. */
export const PING_ANSWER_MS = 3_000;
/** Discovery sessions are not pinged; they are short by nature. */
export const DISCOVERY_IDLE_MS = 60_000;
/** How long an initiator may take to log out once it was asked to. */
export const LOGOUT_WAIT_SECONDS = 10;

assert(FIRST_BURST_BYTES <= MAX_BURST_BYTES, 'a first burst fits a burst (RFC 7143 section 13.14)');
assert(MAX_BURST_BYTES <= MAX_IO_BYTES, 'a burst fits the largest write');
assert(MAX_IO_BYTES <= SOLICITED_BYTES_PER_SESSION, 'one write can always be solicited');
assert(
  QUEUE_DEPTH * FIRST_BURST_BYTES + SOLICITED_BYTES_PER_SESSION <= WRITE_BYTES_PER_ADDRESS,
  'a session alone never meets the limit of its address',
);
