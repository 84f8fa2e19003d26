import type { Opcode, Status } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Hello, Refusal, Restart, Welcome } from '../protocol/hello.ts';
import type { Metadata } from '../store/metadata-record.ts';
import type { Page, StoreFile } from '../store/page.ts';

/** Names one connection for the time it exists; given out by the driver, never used again. */
export type ConnectionId = number;

/** What happens to a replica. The driver feeds these in the order in which they happened. */
export type ReplicaEvent =
  /** Its proof was checked by the driver. */
  | {
      readonly kind: 'hello';
      readonly connection: ConnectionId;
      readonly hello: Hello;
      readonly nowMs: number;
    }
  | {
      readonly kind: 'frame';
      readonly connection: ConnectionId;
      readonly frame: Frame;
      readonly nowMs: number;
    }
  | { readonly kind: 'closed'; readonly connection: ConnectionId }
  /**
   * Outcome of every `write`, `trim` and `grow`, and of a `read`, `map` or `hash` that failed. INVALID says that it
   * was dropped, because an earlier one of its connection was malformed.
   */
  | {
      readonly kind: 'executed';
      readonly connection: ConnectionId;
      readonly frame: Frame;
      readonly status: Status;
    }
  /** Outcome of `reserve`, unless a payload was malformed. */
  | {
      readonly kind: 'reserved';
      readonly connection: ConnectionId;
      readonly status: Status;
    }
  /** The payload of a `write` or of a frame to `reserve` for is not `length` bytes of LZ4. */
  | { readonly kind: 'malformed'; readonly connection: ConnectionId }
  /** All effects so far have been carried out: the moment to group what needs an fdatasync. */
  | { readonly kind: 'turn-ended' }
  /** Outcome of `fdatasync`; `failure` is undefined when the data is on stable storage. */
  | { readonly kind: 'synced'; readonly failure: string | undefined }
  /** Outcome of `save`; `failure` undefined: it is durable. */
  | {
      readonly kind: 'saved';
      readonly failure: string | undefined;
      /** The file system refused the write for lack of space, so nothing that was there is lost. */
      readonly isFull?: boolean;
    }
  | { readonly kind: 'shutdown' };

/**
 * What a replica wants done. The driver carries effects out in order, each before the next; only
 * `fdatasync` and `save` merely start. Effects of a connection that is closed meanwhile are dropped.
 */
export type ReplicaEffect =
  /** Durable before the next effect; if that fails, the replica stops. */
  | { readonly kind: 'persist'; readonly metadata: Metadata }
  | { readonly kind: 'welcome'; readonly connection: ConnectionId; readonly welcome: Welcome }
  /** Say why, then close. */
  | { readonly kind: 'refuse'; readonly connection: ConnectionId; readonly refusal: Refusal }
  /** Answered by the driver with the data; only a failure comes back as `executed`. */
  | {
      readonly kind: 'read';
      readonly connection: ConnectionId;
      readonly frame: Frame;
      /** Newest stamp in the range, for the reply. */
      readonly generation: number;
    }
  /** Answered by the driver with 4 + 32 bytes per region: stamp (u32 LE) and SHA-256. */
  | {
      readonly kind: 'hash';
      readonly connection: ConnectionId;
      readonly frame: Frame;
      readonly stamps: readonly number[];
    }
  /** Answered by the driver with one byte per block: 1, or 0 for a hole. */
  | { readonly kind: 'map'; readonly connection: ConnectionId; readonly frame: Frame }
  /** Make the files long enough for `frame.offset` bytes of volume; new bytes are holes, durably. */
  | { readonly kind: 'grow'; readonly connection: ConnectionId; readonly frame: Frame }
  | { readonly kind: 'write'; readonly connection: ConnectionId; readonly frame: Frame }
  | { readonly kind: 'trim'; readonly connection: ConnectionId; readonly frame: Frame }
  /** Check the payloads, and take their space: what lies there reads as before. */
  | {
      readonly kind: 'reserve';
      readonly connection: ConnectionId;
      readonly frames: readonly Frame[];
    }
  /** Write this page of the journal before the next effect. The page cache is enough. */
  | { readonly kind: 'note'; readonly page: Page }
  | {
      readonly kind: 'reply';
      readonly connection: ConnectionId;
      readonly opcode: Opcode;
      readonly seq: number;
      readonly status: Status;
      readonly payload?: Buffer;
    }
  /** Start one; `synced` is owed for it. Never asked for while another is under way. */
  | { readonly kind: 'fdatasync' }
  /** Write these pages to the file and make them durable; `saved` is owed. One at a time. */
  | { readonly kind: 'save'; readonly file: StoreFile; readonly pages: readonly Page[] }
  /** Drop the connection at once. `reason` is for the log. */
  | { readonly kind: 'close'; readonly connection: ConnectionId; readonly reason: string }
  /** Send what is to be sent, then end the process. */
  | { readonly kind: 'stop'; readonly isFailure: boolean; readonly reason: string };

/** What a replica says of itself, in STATUS_REPLY and at /status. */
export interface ReplicaStatus {
  readonly volumeId: string;
  readonly replicaId: string;
  readonly dataId: string;
  readonly sizeBytes: number;
  readonly epoch: number;
  readonly session: number;
  readonly isPristine: boolean;
  /** The instance that is connected now. */
  readonly controller: string | null;
  /** Writes that other copies may lack. */
  readonly tailLength: number;
  readonly restart: Restart;
  /** Extents of 4 MiB written to since their last checkpoint. */
  readonly hotExtents: number;
}
