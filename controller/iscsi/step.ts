import type { NexusId, ScsiOutcome } from '../scsi/plan.ts';
import type { Access } from './access.ts';
import type { Digests } from './digest.ts';
import type { LoginRefusal } from './login-refusals.ts';

/** Names one TCP connection for the time it exists; given out by the driver. */
export type ConnectionId = number;
/** Names one SCSI task handed to the device server, unique over the target's life. */
export type TaskId = number;

/** One iSCSI PDU as cut from the stream by the framer. */
export interface Pdu {
  /** The 48-byte basic header segment (RFC 7143 section 11.2.1). */
  readonly header: Buffer;
  /** Additional header segments; empty when none. */
  readonly ahs: Buffer;
  /** Data segment without padding. */
  readonly data: Buffer;
  /** The data is not what its digest says: only the header can be believed (section 7.8). */
  readonly isDamaged?: boolean;
}

/** What happens to a target. The driver feeds these in the order in which they happened. */
export type TargetEvent =
  | {
      readonly kind: 'opened';
      readonly connection: ConnectionId;
      readonly peer: string;
      readonly nowMs: number;
    }
  | {
      readonly kind: 'pdu';
      readonly connection: ConnectionId;
      readonly pdu: Pdu;
      readonly nowMs: number;
    }
  /** Too many answers to this initiator wait to be sent; or they are gone now. */
  | {
      readonly kind: 'congestion';
      readonly connection: ConnectionId;
      readonly isCongested: boolean;
    }
  /** The socket is gone, whoever closed it. */
  | { readonly kind: 'closed'; readonly connection: ConnectionId; readonly nowMs: number }
  /** The device server is done with a task that was handed out by an `execute` effect. */
  | {
      readonly kind: 'task-done';
      readonly task: TaskId;
      readonly outcome: ScsiOutcome;
      readonly nowMs: number;
    }
  /** Logins from now on go by this; sessions that are there stay. */
  | { readonly kind: 'access-changed'; readonly access: Access }
  /** PREEMPT AND ABORT, by `task`: all other tasks of these nexuses end; `tasks-aborted` is owed. */
  | { readonly kind: 'abort-tasks'; readonly task: TaskId; readonly nexuses: readonly NexusId[] }
  /** About once a second while any connection is open. */
  | { readonly kind: 'tick'; readonly nowMs: number }
  /** A clean stop: tell every initiator (async message) and let them go. */
  | { readonly kind: 'shutdown'; readonly nowMs: number };

/** What a target wants done. Order within one connection must be kept. */
export type TargetEffect =
  /** `data` is sent behind `header`, padded to 4 bytes by the driver. */
  | {
      readonly kind: 'send';
      readonly connection: ConnectionId;
      readonly header: Buffer;
      readonly data: Buffer | undefined;
    }
  /**
   * The login of this connection is over: what is sent behind the answer to it, and all that comes
   * from now on, carries these digests.
   */
  | { readonly kind: 'logged-in'; readonly connection: ConnectionId; readonly digests: Digests }
  /** Hand this command to the device server; `task-done` is owed for it, also after an abort. */
  | {
      readonly kind: 'execute';
      readonly task: TaskId;
      readonly nexus: NexusId;
      readonly lun: Buffer;
      readonly cdb: Buffer;
      readonly dataOut: Buffer;
    }
  /** A session reached the full feature phase: the device server raises its power-on attention. */
  | { readonly kind: 'nexus-opened'; readonly nexus: NexusId; readonly initiator: string }
  | { readonly kind: 'nexus-closed'; readonly nexus: NexusId }
  /**
   * Operations of this task that were not yet sent to the copies must never be (I15). Its
   * `task-done` still follows, once what was sent has been answered.
   */
  | { readonly kind: 'cancel'; readonly task: TaskId }
  /** What `task` asked to be aborted is over; `nexuses` are those that had tasks to abort. */
  | { readonly kind: 'tasks-aborted'; readonly task: TaskId; readonly nexuses: readonly NexusId[] }
  /** LOGICAL UNIT RESET or a target reset: the device server raises attentions on all nexuses. */
  | { readonly kind: 'logical-unit-reset'; readonly nexus: NexusId }
  /** Close after what was sent before it has been flushed. `reason` is for the log. */
  | {
      readonly kind: 'close';
      readonly connection: ConnectionId;
      readonly reason: string;
      /** Only when this refuses a login. */
      readonly refused?: RefusedLogin;
    };

export interface RefusedLogin {
  readonly why: LoginRefusal;
  /** As it called itself; undefined when it did not get that far. */
  readonly initiator: string | undefined;
}
