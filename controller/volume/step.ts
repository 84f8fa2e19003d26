import type { ErrorCode } from '../../replica/common/errors.ts';
import type { Opcode } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { Hello, Welcome } from '../../replica/protocol/hello.ts';
import type { ControllerIdentity, Membership } from '../protocol/membership.ts';
import type { Registration, ReplicaAddress } from '../protocol/registration.ts';
import type { VolumeOperation, VolumeOutcome } from './operation.ts';

/** Position of a copy in this controller's table; its bit in every `CopyMask` is `1 << index`. */
export type CopyIndex = number;
/** A set of copies, one bit each (at most 12, so well within 31 bits). */
export type CopyMask = number;
/** The caller's handle of one volume operation: passed back with its completion, never looked into. */
export type RequestHandle = object;

export type VolumeEvent =
  /** `random` in [0, 1) settles the choice among equal primaries (N5). */
  | {
      readonly kind: 'start';
      readonly registration: Registration;
      readonly identity: ControllerIdentity;
      readonly random: number;
      readonly nowMs: number;
    }
  /** The membership record as the registry has it: the answer to a change, stored or refused. */
  | { readonly kind: 'record'; readonly membership: Membership; readonly nowMs: number }
  /** The volume's policy, its copies or what is known of other controllers changed. */
  | { readonly kind: 'registration'; readonly registration: Registration; readonly nowMs: number }
  /** The registry did not answer: whether a change happened is not known. */
  | { readonly kind: 'record-unknown'; readonly nowMs: number }
  | {
      readonly kind: 'link-up';
      readonly copy: CopyIndex;
      readonly welcome: Welcome;
      readonly nowMs: number;
    }
  | {
      readonly kind: 'link-down';
      readonly copy: CopyIndex;
      readonly code: ErrorCode;
      readonly nowMs: number;
    }
  | {
      readonly kind: 'frame';
      readonly copy: CopyIndex;
      readonly frame: Frame;
      readonly nowMs: number;
    }
  | {
      readonly kind: 'request';
      readonly request: RequestHandle;
      readonly operation: VolumeOperation;
      readonly nowMs: number;
    }
  /** Never send what was not sent yet (I15). The completion is owed all the same. */
  | { readonly kind: 'cancel'; readonly request: RequestHandle }
  /** About once a second. */
  | { readonly kind: 'tick'; readonly nowMs: number }
  /** A clean stop: finish what is under way, say goodbye to the copies. */
  | { readonly kind: 'shutdown'; readonly nowMs: number };

export interface SendEffect {
  readonly kind: 'send';
  readonly copies: CopyMask;
  readonly opcode: Opcode;
  readonly flags: number;
  readonly seq: number;
  readonly stableSeq: number;
  readonly offset: number;
  readonly length: number;
  readonly generation: number;
  /**
   * Uncompressed bytes to compress, or with `isEncoded` a payload to pass on as `flags` describes it.
   * The latter is a view on what was received: encode it in this turn.
   */
  readonly data: Buffer | undefined;
  readonly isEncoded: boolean;
}

export type VolumeEffect =
  | SendEffect
  | { readonly kind: 'complete'; readonly request: RequestHandle; readonly outcome: VolumeOutcome }
  /** Connect to this copy and keep trying; `hello` lacks only the driver's nonce. */
  | {
      readonly kind: 'connect';
      readonly copy: CopyIndex;
      readonly address: ReplicaAddress;
      readonly hello: Omit<Hello, 'nonce'>;
    }
  /** Close the connection to this copy at once and connect anew later, with the last hello. */
  | { readonly kind: 'disconnect'; readonly copy: CopyIndex; readonly reason: string }
  /** Close the connection to this copy for good: it is no copy of this volume any more. */
  | { readonly kind: 'drop'; readonly copy: CopyIndex }
  /** A tick is wanted after this time, sooner than the next one. */
  | { readonly kind: 'wake'; readonly afterMs: number }
  /**
   * Acknowledged writes that were never flushed may be gone, as with a disk that lost power (I13).
   * With `isPast` an earlier controller owned up to that, but not to the initiators of this one.
   */
  | { readonly kind: 'power-lost'; readonly isPast: boolean }
  /** The volume has more bytes: every copy that takes writes has them, durably. */
  | { readonly kind: 'resized'; readonly sizeBytes: number }
  /** Compare-and-swap, after a pause; the answer, whatever it is, comes back as `record`. */
  | { readonly kind: 'change-record'; readonly membership: Membership; readonly afterMs: number }
  /** A state transition worth one line in the log. */
  | {
      readonly kind: 'notice';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** Close the initiators' connections and end the process (I4). */
  | { readonly kind: 'stop'; readonly code: ErrorCode; readonly reason: string }
  /** The answer to `shutdown`: every copy has everything and knows that we are gone. */
  | { readonly kind: 'stopped' };
