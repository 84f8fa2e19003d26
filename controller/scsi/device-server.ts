import { assert } from '../../replica/common/assert.ts';
import { Attentions } from './attentions.ts';
import { findCommand } from './command-table.ts';
import { CopyResults } from './copy/copy-results.ts';
import { LOGICAL_BLOCK_BYTES } from './limits.ts';
import { type DeviceIdentity, isLunZero, type LogicalUnit } from './logical-unit.ts';
import { ModeSettings } from './mode-settings.ts';
import { fail, failCdbField } from './outcome.ts';
import type { NexusId, ScsiCommand } from './plan.ts';
import type { Course } from './prelude.ts';
import { accessOf } from './reservations/access.ts';
import { Reservations } from './reservations/reservations.ts';
import { parsePort } from './reservations/transport-id.ts';
import { Sanitizer } from './sanitizer.ts';
import { SENSE } from './sense.ts';
import { whyRefusedNow } from './unit-condition.ts';

export type { DeviceIdentity } from './logical-unit.ts';

/** A designator, where the serial stands behind the vendor, has a length of one byte. */
const MAX_SERIAL_CHARACTERS = 128;
/** NACA in the control byte: auto contingent allegiance is not supported. */
const NACA_BIT = 0x04;

/**
 * The device server of one volume: a direct access block device at LUN 0 (SPC-4, SBC-3). Pure: a
 * command becomes a plan, and little is remembered between commands: unit attentions, mode settings, a
 * running sanitize, the outcomes of copies, reservations.
 */
export class DeviceServer {
  readonly #attentions = new Attentions();
  /** Names of the initiator ports that are logged in; undefined for one that cannot register. */
  readonly #ports = new Map<NexusId, string | undefined>();
  readonly #reservations: Reservations;
  readonly #unit: LogicalUnit;

  constructor(identity: DeviceIdentity) {
    const blockCount = identity.sizeBytes / LOGICAL_BLOCK_BYTES;
    assert(Number.isSafeInteger(blockCount) && blockCount > 0, 'a volume is whole blocks', {
      sizeBytes: identity.sizeBytes,
    });
    assert(identity.serial.length <= MAX_SERIAL_CHARACTERS, 'a serial fits its designators', {
      serial: identity.serial,
    });
    this.#reservations = new Reservations({
      portOf: (nexus) => this.#ports.get(nexus),
      nexusesOf: (ports) => this.#nexusesOf(ports),
      raiseOn: (nexuses, code) => this.#attentions.raiseOn(nexuses, code),
    });
    this.#unit = {
      identity,
      blockCount,
      reservations: this.#reservations,
      takeAttention: (nexus) => this.#attentions.take(nexus),
      raiseOnOthers: (nexus, code) => this.#attentions.raiseOnOthers(nexus, code),
      modes: new ModeSettings(),
      sanitizer: new Sanitizer(),
      copyResults: new CopyResults(),
    };
  }

  /**
   * The next command of this nexus is told that the device was powered on.
   *
   * @param initiator name of the initiator port: `iqn…,i,0x` and the ISID
   */
  nexusOpened(nexus: NexusId, initiator: string): void {
    this.#ports.set(nexus, parsePort(initiator));
    this.#attentions.opened(nexus);
  }

  nexusClosed(nexus: NexusId): void {
    this.#ports.delete(nexus);
    this.#attentions.closed(nexus);
    this.#reservations.nexusClosed(nexus);
    this.#unit.copyResults.forget(nexus);
  }

  /** Every nexus is told, also the one that asked for the reset (SAM-5 clause 6.3.3). */
  logicalUnitReset(): void {
    this.#reservations.reset();
    this.#unit.modes.reset();
    this.#attentions.raiseOnAll(SENSE.BUS_DEVICE_RESET);
  }

  /** The volume grew: every nexus is told (SBC-3 clause 4.7). */
  resize(sizeBytes: number): void {
    this.#unit.blockCount = sizeBytes / LOGICAL_BLOCK_BYTES;
    this.#attentions.raiseOnAll(SENSE.CAPACITY_DATA_HAS_CHANGED);
  }

  /** Data may be gone as from a disk that lost power: every nexus is told (design section 4, I13). */
  powerLost(): void {
    this.#reservations.reset();
    this.#attentions.raiseOnAll(SENSE.POWER_ON);
  }

  /** What it takes to carry out `command`. Never throws, whatever the CDB. */
  execute(command: ScsiCommand): Course {
    const { cdb, lun, nexus } = command;
    const spec = findCommand(cdb);
    if (typeof spec === 'string' || !spec.alwaysRuns) {
      if (!isLunZero(lun)) return fail(SENSE.LOGICAL_UNIT_NOT_SUPPORTED);
      // Before the attention, which stays pending: a conflict is told first (SAM-5 clause 5.3.3).
      if (!this.#reservations.isOpen && typeof spec !== 'string') {
        const course = this.#awaitReservations(command);
        if (course !== undefined) return course;
      }
      const attention = this.#attentions.take(nexus);
      if (attention !== undefined) return fail(attention);
    }
    if (spec === 'no-opcode') return fail(SENSE.INVALID_OPERATION_CODE);
    if (spec === 'no-service-action') return failCdbField(1);
    if (spec.isOffered?.(this.#unit.identity) === false) return fail(SENSE.INVALID_OPERATION_CODE);
    const controlIndex = spec.usage.length - 1;
    const control = cdb[controlIndex];
    if (control === undefined) return failCdbField(cdb.length);
    if ((control & NACA_BIT) !== 0) return failCdbField(controlIndex);
    return whyRefusedNow(this.#unit, spec) ?? spec.run(this.#unit, command);
  }

  /** What keeps a command from running now: reservations that are not loaded yet, or a conflict. */
  #awaitReservations(command: ScsiCommand): Course | undefined {
    const { cdb, nexus } = command;
    const access = accessOf(cdb);
    if (!access.needsState || this.#reservations.isLoaded) {
      return this.#reservations.whyRefused(access, nexus);
    }
    return this.#reservations.load(() =>
      // Whoever is gone meanwhile must not leave anything behind.
      this.#ports.has(nexus) ? this.execute(command) : fail(SENSE.NOT_READY),
    );
  }

  #nexusesOf(ports: readonly string[]): NexusId[] {
    const nexuses: NexusId[] = [];
    for (const [nexus, port] of this.#ports) {
      if (port !== undefined && ports.includes(port)) nexuses.push(nexus);
    }
    return nexuses;
  }
}
