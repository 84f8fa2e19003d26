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
      /**
       * At most `MAX_ATOMIC_BYTES`, and on every copy that serves as a whole or not at all, whatever
       * ends in the middle (ADR 0020). That does not make it durable.
       */
      readonly isAtomic?: boolean;
    }
  | { readonly kind: 'flush' }
  /** The range reads as zeros afterwards; its space is given back. */
  | { readonly kind: 'trim'; readonly offset: number; readonly length: number }
  /** Which blocks of 4 KiB may hold data; whole blocks, at most `MAX_MAP_BYTES`. */
  | { readonly kind: 'map'; readonly offset: number; readonly length: number }
  /** The volume's attribute as it was stored last. */
  | { readonly kind: 'load' }
  /**
   * Replaces the attribute, at most `MAX_ATTRIBUTE_BYTES`: ok when it is durable on every in-sync
   * copy. The caller has one under way at a time. After one that failed, either may be found later.
   */
  | { readonly kind: 'store'; readonly data: Buffer };

/** Those that change what the copies hold, or make it durable. */
export type VolumeMutation = Extract<
  VolumeOperation,
  { kind: 'write' | 'trim' | 'flush' | 'store' }
>;

export type VolumeOutcome =
  /**
   * `data` after a read: exactly `length` bytes; after a map: one byte per block, 1 or, for a hole, 0;
   * after a load: the attribute, empty when none was ever stored.
   */
  | { readonly ok: true; readonly data?: Buffer }
  | { readonly ok: false; readonly reason: VolumeFailure };

/** NOT_READY: the failure mode forbids I/O and the hold is over. Never reported as a medium error. */
export type VolumeFailure = 'NOT_READY' | 'NO_SPACE' | 'IO_FAILED';
