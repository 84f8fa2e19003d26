import { assert } from '../../replica/common/assert.ts';
import { Attentions } from './attentions.ts';
import { findCommand } from './command-table.ts';
import { LOGICAL_BLOCK_BYTES } from './limits.ts';
import { type DeviceIdentity, isLunZero, type LogicalUnit } from './logical-unit.ts';
import { fail, failCdbField } from './outcome.ts';
import type { NexusId, ScsiCommand, ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

export type { DeviceIdentity } from './logical-unit.ts';

/** A designator, where the serial stands behind the vendor, has a length of one byte. */
const MAX_SERIAL_CHARACTERS = 128;
/** NACA in the control byte: auto contingent allegiance is not supported. */
const NACA_BIT = 0x04;

/**
 * The device server of one volume: a direct access block device at LUN 0 (SPC-4, SBC-3). Pure: a
 * command becomes a plan, and only unit attentions are remembered between commands.
 */
export class DeviceServer {
  readonly #attentions = new Attentions();
  readonly #unit: LogicalUnit;

  constructor(identity: DeviceIdentity) {
    const blockCount = identity.sizeBytes / LOGICAL_BLOCK_BYTES;
    assert(Number.isSafeInteger(blockCount) && blockCount > 0, 'a volume is whole blocks', {
      sizeBytes: identity.sizeBytes,
    });
    assert(identity.serial.length <= MAX_SERIAL_CHARACTERS, 'a serial fits its designators', {
      serial: identity.serial,
    });
    this.#unit = {
      identity,
      blockCount,
      takeAttention: (nexus) => this.#attentions.take(nexus),
    };
  }

  /** The next command of this nexus is told that the device was powered on. */
  nexusOpened(nexus: NexusId): void {
    this.#attentions.opened(nexus);
  }

  nexusClosed(nexus: NexusId): void {
    this.#attentions.closed(nexus);
  }

  /** Every nexus is told, also the one that asked for the reset (SAM-5 clause 6.3.3). */
  logicalUnitReset(): void {
    this.#attentions.raiseOnAll(SENSE.BUS_DEVICE_RESET);
  }

  /** Data may be gone as from a disk that lost power: every nexus is told (design section 4, I13). */
  powerLost(): void {
    this.#attentions.raiseOnAll(SENSE.POWER_ON);
  }

  /** What it takes to carry out `command`. Never throws, whatever the CDB. */
  execute(command: ScsiCommand): ScsiPlan {
    const { cdb, lun, nexus } = command;
    const spec = findCommand(cdb);
    if (typeof spec === 'string' || !spec.alwaysRuns) {
      if (!isLunZero(lun)) return fail(SENSE.LOGICAL_UNIT_NOT_SUPPORTED);
      const attention = this.#attentions.take(nexus);
      if (attention !== undefined) return fail(attention);
    }
    if (spec === 'no-opcode') return fail(SENSE.INVALID_OPERATION_CODE);
    if (spec === 'no-service-action') return failCdbField(1);
    const controlIndex = spec.usage.length - 1;
    const control = cdb[controlIndex];
    if (control === undefined) return failCdbField(cdb.length);
    if ((control & NACA_BIT) !== 0) return failCdbField(controlIndex);
    return spec.run(this.#unit, command);
  }
}
