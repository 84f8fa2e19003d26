/**
 * What SCSI asks of a volume. Offsets and lengths are bytes within the volume, checked by the
 * caller against the volume's size and `MAX_IO_BYTES` / `MAX_TRIM_BYTES`.
 */
export type VolumeOperation =
  | { readonly kind: 'read'; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'write';
      readonly offset: number;
      /**
       * Owned by the volume until the outcome is ok, and for ever after one that is not: the write
       * may still be sent to a copy again.
       */
      readonly data: Buffer;
      /** Answer only when the bytes are on stable storage of every in-sync copy (I8). */
      readonly fua: boolean;
    }
  | { readonly kind: 'flush' }
  /** The range reads as zeros afterwards; its space is given back. */
  | { readonly kind: 'trim'; readonly offset: number; readonly length: number };

export type VolumeOutcome =
  /** `data` only after a read: exactly `length` bytes. */
  | { readonly ok: true; readonly data?: Buffer }
  | { readonly ok: false; readonly reason: VolumeFailure };

/** NOT_READY: the failure mode forbids I/O and the hold is over. Never reported as a medium error. */
export type VolumeFailure = 'NOT_READY' | 'NO_SPACE' | 'IO_FAILED';
