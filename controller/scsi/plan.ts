import type { ByteRange } from '../../replica/common/ranges.ts';
import type { VolumeOperation, VolumeOutcome } from '../volume/operation.ts';

/**
 * What it takes to carry out one SCSI command: either it is done, or volume operations must run
 * first (all at once, in no particular order) and `next` says how to go on. Pure: the plan is data
 * and a function of outcomes; controller/core runs it.
 */
export type ScsiPlan = DonePlan | VolumePlan | DetachedPlan;

export interface DonePlan {
  readonly kind: 'done';
  readonly outcome: ScsiOutcome;
}

export interface VolumePlan {
  readonly kind: 'volume';
  readonly operations: readonly VolumeOperation[];
  /** Called once, also for a command that was aborted: its operations then failed. */
  readonly next: (outcomes: readonly VolumeOutcome[]) => ScsiPlan;
  /**
   * Only in the first step of a plan: bytes that no other command changes until the plan is done
   * (design section 5).
   */
  readonly locks?: readonly ByteRange[];
}

/** Work that goes on when its command is aborted, or was answered already. */
export interface DetachedPlan {
  readonly kind: 'detached';
  readonly work: VolumePlan;
  /** The outcome of the command, at once; without it the command waits for that of the work. */
  readonly answer?: ScsiOutcome;
}

export interface ScsiOutcome {
  /** SAM-5 status code: 0x00 GOOD, 0x02 CHECK CONDITION, 0x18 RESERVATION CONFLICT, … */
  readonly status: number;
  /** Data for the initiator, already cut to the CDB's allocation length; empty when none. */
  readonly dataIn: Buffer;
  /** Fixed- or descriptor-format sense data; only with CHECK CONDITION. */
  readonly sense: Buffer | undefined;
  /**
   * Bytes that the CDB says are moved, whatever the initiator's expected data transfer length:
   * the iSCSI layer derives the residual count from the difference (RFC 7143 section 11.4.5).
   */
  readonly transferBytes: number;
}

/** Names one I_T nexus (an iSCSI session) for the time it exists. */
export type NexusId = number;

export interface ScsiCommand {
  readonly nexus: NexusId;
  /** The 8-byte LUN field of the request (SAM-5). */
  readonly lun: Buffer;
  readonly cdb: Buffer;
  /** All data-out bytes that the initiator sent, at most its expected data transfer length. */
  readonly dataOut: Buffer;
}
