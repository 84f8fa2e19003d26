import type { CopyResults } from './copy/copy-results.ts';
import type { ModeSettings } from './mode-settings.ts';
import type { NexusId, ScsiCommand } from './plan.ts';
import type { Course } from './prelude.ts';
import type { Reservations } from './reservations/reservations.ts';
import type { Sanitizer } from './sanitizer.ts';
import type { SenseCode } from './sense.ts';

export interface DeviceIdentity {
  readonly sizeBytes: number;
  /** The volume id, hexadecimal digits and dashes. */
  readonly serial: string;
  /** PRODUCT REVISION LEVEL, 4 characters. */
  readonly revision: string;
  /** iSCSI qualified name of the target, for its port designators. */
  readonly targetName: string;
  /** Whether SANITIZE may destroy what the volume holds; absent: no, and the device has no SANITIZE. */
  readonly allowsSanitize?: boolean;
}

/** What the commands see of the device. */
export interface LogicalUnit {
  readonly identity: DeviceIdentity;
  /** Logical blocks of 512 bytes. */
  blockCount: number;
  readonly reservations: Reservations;
  /** Takes the oldest pending unit attention of a nexus, which is thereby reported. */
  takeAttention(nexus: NexusId): SenseCode | undefined;
  /** Tells every nexus but this one, with its next command. */
  raiseOnOthers(nexus: NexusId, code: SenseCode): void;
  readonly modes: ModeSettings;
  readonly sanitizer: Sanitizer;
  readonly copyResults: CopyResults;
}

/** Carries out one command whose CDB has the length that the table gives. */
export type Handler = (unit: LogicalUnit, command: ScsiCommand) => Course;

/** One row of the command table. */
export interface CommandSpec {
  readonly opcode: number;
  /** Only for operation codes that many commands share; it stands in byte 1, bits 4–0. */
  readonly serviceAction?: number;
  /**
   * CDB usage data of REPORT SUPPORTED OPERATION CODES, operation code first: a bit is set when
   * the device server looks at it. Its length is the length of the CDB.
   */
  readonly usage: Buffer;
  readonly run: Handler;
  /** Answered for any LUN and never in place of a pending unit attention (SAM-5 clause 5.14). */
  readonly alwaysRuns: boolean;
  /** May change what the volume holds: refused while the unit is write protected. */
  readonly changesMedium: boolean;
  /** Whether a device like this has the command at all; absent: every one. */
  readonly isOffered?: (identity: DeviceIdentity) => boolean;
}

/** LUN 0 in peripheral device (00b) or flat space (01b) addressing, single level (SAM-5 4.7). */
export function isLunZero(lun: Buffer): boolean {
  const firstLevel = lun.readUInt32BE(0);
  return (firstLevel === 0 || firstLevel === 0x40000000) && lun.readUInt32BE(4) === 0;
}
