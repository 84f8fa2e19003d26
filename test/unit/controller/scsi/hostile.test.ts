import { COMMANDS } from '../../../../controller/scsi/command-table.ts';
import type { ScsiPlan, VolumePlan } from '../../../../controller/scsi/plan.ts';
import type { VolumeOperation, VolumeOutcome } from '../../../../controller/volume/operation.ts';
import {
  MAX_ATTRIBUTE_BYTES,
  MAX_IO_BYTES,
  MAX_MAP_BYTES,
  MAX_TRIM_BYTES,
} from '../../../../replica/common/limits.ts';
import { SeededRandom } from '../../../support/random.ts';
import { Fixture, LUN_0, NEXUS } from './fixture.ts';

/** A volume of whole logical but not of whole physical blocks shows a limit that is rounded up. */
const SIZES = [8192 + 512, 2 ** 30, 2 ** 46];
const ROUNDS = 2000;
const MAX_STEPS = 12;

/** Throws when the volume would get something that it may take for checked. */
function check(operation: VolumeOperation, sizeBytes: number): void {
  switch (operation.kind) {
    case 'flush':
    case 'load':
      return;
    case 'store':
      expect(operation.data.length).toBeLessThanOrEqual(MAX_ATTRIBUTE_BYTES);
      return;
    default: {
      const length = operation.kind === 'write' ? operation.data.length : operation.length;
      const limits = { read: MAX_IO_BYTES, write: MAX_IO_BYTES, trim: MAX_TRIM_BYTES };
      const limit = operation.kind === 'map' ? MAX_MAP_BYTES : limits[operation.kind];
      const { offset } = operation;
      const isInside = Number.isSafeInteger(offset) && offset >= 0 && offset + length <= sizeBytes;
      if (!isInside || length <= 0 || length > limit) {
        throw new Error(`${operation.kind} of ${length} bytes at ${offset} of ${sizeBytes}`);
      }
    }
  }
}

/** What a volume could say, without the work of doing it. */
function outcomeOf(operation: VolumeOperation, random: SeededRandom): VolumeOutcome {
  if (random.chance(0.02)) return { ok: false, reason: random.pick(['NOT_READY', 'NO_SPACE']) };
  if (operation.kind === 'read') return { ok: true, data: Buffer.alloc(operation.length) };
  if (operation.kind === 'map') {
    return { ok: true, data: random.bytes(Math.min(64, Math.ceil(operation.length / 4096))) };
  }
  return { ok: true, data: Buffer.alloc(0) };
}

function follow(plan: VolumePlan, sizeBytes: number, random: SeededRandom): void {
  let current: ScsiPlan = plan;
  for (const { start, end } of plan.locks ?? []) {
    expect([start >= 0, start < end, end <= sizeBytes]).toEqual([true, true, true]);
  }
  for (let step = 0; step < MAX_STEPS && current.kind === 'volume'; step += 1) {
    for (const operation of current.operations) check(operation, sizeBytes);
    current = current.next(current.operations.map((operation) => outcomeOf(operation, random)));
  }
  // Ends what is still under way, as an abort does.
  for (; current.kind === 'volume'; ) {
    current = current.next(current.operations.map(() => ({ ok: false, reason: 'NOT_READY' })));
  }
  expect(current.kind).toBe('done');
}

/** Bytes that get past some checks: mostly zeros, some ends of ranges, some noise. */
function fill(bytes: Buffer, random: SeededRandom): Buffer {
  const density = random.pick([0, 0.05, 0.15, 0.6]);
  for (let at = 0; at < bytes.length; at += 1) {
    if (random.chance(density))
      bytes[at] = random.pick([1, 1, 2, 8, 0x7f, 0xff, random.below(256)]);
  }
  return bytes;
}

describe.each(SIZES)('on a volume of %i bytes', (sizeBytes) => {
  test('no operation code and no bytes behind it throw, or name bytes outside of the volume', () => {
    const random = new SeededRandom(20261121 + (sizeBytes % 1000));
    console.info(`seed ${random.seed}`);
    const makeFixture = () => new Fixture(sizeBytes);
    let fixture = makeFixture();
    const planned = new Set<number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const cdb = fill(Buffer.alloc(random.pick([6, 10, 12, 16, 16, 16, 32])), random);
      const known = random.pick(COMMANDS);
      cdb[0] = random.chance(0.2) ? random.below(256) : known.opcode;
      if (known.serviceAction !== undefined && cdb[0] === known.opcode)
        cdb[1] = known.serviceAction;
      const dataOut = fill(Buffer.alloc(random.pick([0, 8, 24, 76, 512, 516, 4096])), random);
      const course = fixture.device.execute({ nexus: NEXUS, lun: LUN_0, cdb, dataOut });
      const plan = fixture.plan(course);
      if (plan.kind !== 'done') {
        planned.add(cdb[0] as number);
        follow(plan.kind === 'detached' ? plan.work : plan, sizeBytes, random);
      }
      // A sanitize, a write protection or a reservation would refuse most of what comes next.
      if (cdb[0] === 0x48 || round % 50 === 0) fixture = makeFixture();
    }
    expect(planned.size).toBeGreaterThan(sizeBytes > 2 ** 20 ? 8 : 4);
  });
});
