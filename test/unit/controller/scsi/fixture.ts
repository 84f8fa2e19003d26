import { type DeviceIdentity, DeviceServer } from '../../../../controller/scsi/device-server.ts';
import { OPCODE } from '../../../../controller/scsi/opcode.ts';
import type {
  DonePlan,
  ScsiOutcome,
  ScsiPlan,
  VolumePlan,
} from '../../../../controller/scsi/plan.ts';
import { type Course, isPrelude } from '../../../../controller/scsi/prelude.ts';
import type { VolumeOperation, VolumeOutcome } from '../../../../controller/volume/operation.ts';
import { BLOCK_BYTES } from '../../../../replica/common/limits.ts';

export const SIZE_BYTES = 16 * 1024 * 1024;
export const BLOCK_COUNT = SIZE_BYTES / 512;
export const IDENTITY = {
  sizeBytes: SIZE_BYTES,
  serial: '0198c0de-1234-7abc-89ab-0123456789ef',
  revision: '0.1',
  targetName: 'iqn.2026-11.io.keelson:default.data',
  allowsSanitize: true,
};
export const NEXUS = 7;
/** The initiator port behind it. */
export const PORT = 'iqn.2026-11.org.example:host7,i,0x00023d000007';
export const LUN_0: Buffer = Buffer.alloc(8);

/** A device as behind a login and some commands: nothing is left to report, or to load. */
export function makeDevice(identity: DeviceIdentity): DeviceServer {
  const device = new DeviceServer(identity);
  device.nexusOpened(NEXUS, PORT);
  for (const opcode of [OPCODE.TEST_UNIT_READY, OPCODE.PERSISTENT_RESERVE_IN]) {
    const cdb = Buffer.alloc(16);
    cdb[0] = opcode;
    const course = device.execute({ nexus: NEXUS, lun: LUN_0, cdb, dataOut: Buffer.alloc(0) });
    if (course.kind === 'operate') course.next({ ok: true, data: Buffer.alloc(0) });
  }
  return device;
}

/** A device over a volume in memory, which runs plans at once and remembers the operations. */
export class Fixture {
  readonly device: DeviceServer;
  readonly bytes: Buffer;
  readonly operations: VolumeOperation[] = [];
  /** What `store` kept. */
  attribute: Buffer = Buffer.alloc(0);
  readonly notices: string[] = [];
  failure: 'NOT_READY' | 'NO_SPACE' | 'IO_FAILED' | undefined;

  constructor(sizeBytes = SIZE_BYTES) {
    this.device = makeDevice({ ...IDENTITY, sizeBytes });
    this.bytes = Buffer.alloc(Math.min(sizeBytes, SIZE_BYTES));
  }

  /** `cdb` as hexadecimal digits; spaces are for the reader. */
  send(cdb: string, dataOut: Buffer = Buffer.alloc(0), lun = LUN_0): ScsiOutcome {
    const bytes = Buffer.alloc(16);
    bytes.write(cdb.replaceAll(' ', ''), 'hex');
    return this.finish(this.device.execute({ nexus: NEXUS, lun, cdb: bytes, dataOut }));
  }

  /** Detached work is carried out before its command is answered. */
  finish(course: Course): ScsiOutcome {
    const plan = this.plan(course);
    if (plan.kind !== 'detached') return this.#runSteps(plan);
    const outcome = this.#runSteps(plan.work);
    return plan.answer ?? outcome;
  }

  /** What comes of a command once the reservations are loaded, and are as it wants them. */
  plan(course: Course): ScsiPlan {
    let current = course;
    while (isPrelude(current)) {
      switch (current.kind) {
        case 'operate':
          current = current.next(this.#carryOut(current.operation));
          break;
        case 'wait':
          current = pass(current);
          break;
        case 'abort':
          current = current.next([]);
          break;
        case 'notice':
          this.notices.push(current.message);
          current = current.next();
          break;
      }
    }
    return current;
  }

  /** The plan behind one step of another. */
  step({ operations, next }: VolumePlan): ScsiPlan {
    return next(operations.map((operation) => this.#carryOut(operation)));
  }

  #runSteps(plan: DonePlan | VolumePlan): ScsiOutcome {
    let current: ScsiPlan = plan;
    while (current.kind === 'volume') current = this.step(current);
    if (current.kind === 'detached') throw new Error('only a whole plan is detached');
    return current.outcome;
  }

  #carryOut(operation: VolumeOperation): VolumeOutcome {
    this.operations.push(operation);
    if (this.failure !== undefined) return { ok: false, reason: this.failure };
    switch (operation.kind) {
      case 'read':
        return { ok: true, data: Buffer.from(this.#range(operation)) };
      case 'write':
        operation.data.copy(
          this.#range({ offset: operation.offset, length: operation.data.length }),
        );
        return { ok: true };
      case 'trim':
        this.#range(operation).fill(0);
        return { ok: true };
      case 'flush':
        return { ok: true };
      case 'map':
        return { ok: true, data: this.mapOf(operation) };
      case 'load':
        return { ok: true, data: this.attribute };
      case 'store':
        this.attribute = operation.data;
        return { ok: true };
    }
  }

  /** What a `map` finds; a test may have an answer of its own. */
  mapOf: (range: { offset: number; length: number }) => Buffer = ({ offset, length }) => {
    // The last block of a volume counts whole.
    const map = Buffer.alloc(Math.ceil(length / BLOCK_BYTES));
    const bytes = this.#range({ offset, length });
    for (let index = 0; index < map.length; index += 1) {
      const block = bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
      map[index] = block.equals(Buffer.alloc(block.length)) ? 0 : 1;
    }
    return map;
  };

  #range({ offset, length }: { offset: number; length: number }): Buffer {
    if (length <= 0 || offset < 0 || offset + length > this.bytes.length) {
      throw new Error(`outside of the volume: ${offset} + ${length}`);
    }
    return this.bytes.subarray(offset, offset + length);
  }
}

/** Nobody else is at the gate, so that it lets pass at once. */
function pass({ gate, next }: Extract<Course, { kind: 'wait' }>): Course {
  let course: Course | undefined;
  gate.enter(() => {
    course = next();
  });
  if (course === undefined) throw new Error('the gate is closed');
  return course;
}

/** "key/asc/ascq" in hexadecimal of a failed command, "good" of another. */
export function senseOf(outcome: ScsiOutcome): string {
  if (outcome.status === 0) return 'good';
  const { sense } = outcome;
  if (outcome.status !== 2 || sense === undefined) return `status ${outcome.status}`;
  return [sense[2], sense[12], sense[13]]
    .map((byte) => (byte ?? 0).toString(16).padStart(2, '0'))
    .join('/');
}

export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** Blocks that differ from each other. */
export function makeBlocks(count: number, seed = 1): Buffer {
  const data = Buffer.alloc(count * 512);
  for (let at = 0; at < data.length; at += 1) data[at] = (at * 7 + (at >> 9) + seed) & 0xff;
  return data;
}
