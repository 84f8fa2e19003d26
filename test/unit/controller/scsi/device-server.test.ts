import { COMMANDS } from '../../../../controller/scsi/command-table.ts';
import { STATUS } from '../../../../controller/scsi/opcode.ts';
import type { VolumeOperation } from '../../../../controller/volume/operation.ts';
import { Fixture, LUN_0, NEXUS, PORT, senseOf } from './fixture.ts';

const TEST_UNIT_READY = '00';
const REQUEST_SENSE = '03 00 0000 ff';
const REQUEST_SENSE_DESC = '03 01 0000 ff';
const INQUIRY = '12 00 00 00ff';
const REPORT_LUNS = 'a0 00 00 000000 000000ff';
const OTHER_LUN = Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]);

describe('unit attention', () => {
  test('power on is told once, to the first command that may report it', () => {
    const fixture = new Fixture();
    fixture.device.nexusOpened(NEXUS, PORT);
    expect(senseOf(fixture.send(INQUIRY))).toBe('good');
    expect(senseOf(fixture.send(REPORT_LUNS))).toBe('good');
    expect(senseOf(fixture.send(TEST_UNIT_READY))).toBe('06/29/00');
    expect(senseOf(fixture.send(TEST_UNIT_READY))).toBe('good');
  });

  test('keeps a write from happening', () => {
    const fixture = new Fixture();
    fixture.device.nexusOpened(NEXUS, PORT);
    expect(senseOf(fixture.send('2a 00 00000000 00 0001', Buffer.alloc(512, 1)))).toBe('06/29/00');
    expect(fixture.operations).toEqual([]);
  });

  test('is told by REQUEST SENSE as data, and so cleared', () => {
    const fixture = new Fixture();
    fixture.device.nexusOpened(NEXUS, PORT);
    fixture.device.logicalUnitReset();
    const fixed = fixture.send(REQUEST_SENSE);
    expect(fixed.dataIn).toEqual(Buffer.from('700006000000000a00000000290000000000', 'hex'));
    expect(fixed.transferBytes).toBe(18);
    const descriptor = fixture.send(REQUEST_SENSE_DESC);
    expect(descriptor.dataIn).toEqual(Buffer.from('7206290300000000', 'hex'));
    expect(fixture.send(REQUEST_SENSE_DESC).dataIn).toEqual(Buffer.from('7200000000000000', 'hex'));
    expect(senseOf(fixture.send(TEST_UNIT_READY))).toBe('good');
  });

  test('of a reset reaches every open nexus, once however often it is reset', () => {
    const fixture = new Fixture();
    const ready = (nexus: number) =>
      senseOf(
        fixture.finish(
          fixture.device.execute({
            nexus,
            lun: LUN_0,
            cdb: Buffer.alloc(16),
            dataOut: Buffer.alloc(0),
          }),
        ),
      );
    for (const nexus of [1, 2, 3]) {
      fixture.device.nexusOpened(nexus, PORT);
      expect(ready(nexus)).toBe('06/29/00');
    }
    fixture.device.nexusClosed(3);
    fixture.device.logicalUnitReset();
    fixture.device.logicalUnitReset();
    expect([ready(1), ready(1)]).toEqual(['06/29/03', 'good']);
    expect([ready(2), ready(2)]).toEqual(['06/29/03', 'good']);
    expect(ready(3)).toBe('good');
  });
});

describe('logical unit number', () => {
  test('0 is accepted in peripheral and in flat space addressing', () => {
    const flat = Buffer.from([0x40, 0, 0, 0, 0, 0, 0, 0]);
    expect(senseOf(new Fixture().send(TEST_UNIT_READY, Buffer.alloc(0), flat))).toBe('good');
  });

  test.each(['0001000000000000', '4001000000000000', '0000000100000000', 'c101000000000000'])(
    '%s has no device: only INQUIRY, REPORT LUNS and REQUEST SENSE answer',
    (text) => {
      const fixture = new Fixture();
      const lun = Buffer.from(text, 'hex');
      const none = Buffer.alloc(0);
      expect(senseOf(fixture.send(TEST_UNIT_READY, none, lun))).toBe('05/25/00');
      expect(senseOf(fixture.send('ff', none, lun))).toBe('05/25/00');
      expect(fixture.send(INQUIRY, none, lun).dataIn[0]).toBe(0x7f);
      expect(fixture.send(REPORT_LUNS, none, lun).dataIn).toHaveLength(16);
      expect(fixture.send(REQUEST_SENSE_DESC, none, lun).dataIn[2]).toBe(0x25);
    },
  );

  test('of no device leaves the attention of the device pending', () => {
    const fixture = new Fixture();
    fixture.device.nexusOpened(NEXUS, PORT);
    fixture.send(TEST_UNIT_READY, Buffer.alloc(0), OTHER_LUN);
    fixture.send(REQUEST_SENSE, Buffer.alloc(0), OTHER_LUN);
    expect(senseOf(fixture.send(TEST_UNIT_READY))).toBe('06/29/00');
  });
});

describe('dispatch', () => {
  test.each(['ff', '60', '18', '9b'])('refuses operation code %s', (opcode) => {
    expect(senseOf(new Fixture().send(opcode))).toBe('05/20/00');
  });

  test.each(['9e 13', 'a3 0e', '48 03', '83 01'])('points at service action %s', (cdb) => {
    const outcome = new Fixture().send(cdb);
    expect(senseOf(outcome)).toBe('05/24/00');
    expect(outcome.sense?.subarray(15)).toEqual(Buffer.from([0xc0, 0, 1]));
  });

  test.each(COMMANDS.map((command) => [command.usage.toString('hex'), command] as const))(
    'refuses NACA, and a CDB that is cut: %s',
    (_usage, command) => {
      const { opcode, serviceAction = 0, usage } = command;
      const cdb = Buffer.alloc(usage.length);
      cdb.set([opcode, serviceAction]);
      const execute = (bytes: Buffer) =>
        new Fixture().device.execute({
          nexus: NEXUS,
          lun: LUN_0,
          cdb: bytes,
          dataOut: Buffer.alloc(0),
        });
      const fixture = new Fixture();
      expect(senseOf(fixture.finish(execute(cdb.subarray(0, -1))))).toBe('05/24/00');
      cdb[usage.length - 1] = 0x04;
      const outcome = fixture.finish(execute(cdb));
      expect(senseOf(outcome)).toBe('05/24/00');
      expect(outcome.sense?.readUInt16BE(16)).toBe(usage.length - 1);
    },
  );
});

test('a random CDB never throws, and its plan stays within the volume', () => {
  const seed = 20261107;
  console.info(`seed ${seed}`);
  const next = makeGenerator(seed);
  const fixture = new Fixture();
  const outcomes = new Set<string>();
  for (let count = 0; count < 60_000; count += 1) {
    const cdb = Buffer.alloc(next(17));
    // Mostly zeros, so that many commands get past their checks.
    for (let at = 0; at < cdb.length; at += 1) cdb[at] = next(3) === 0 ? next(256) : 0;
    const command = COMMANDS[next(COMMANDS.length + 3)];
    if (command !== undefined)
      cdb.set([command.opcode, command.serviceAction ?? next(32)].slice(0, cdb.length));
    const dataOut = Buffer.alloc([0, 8, 24, 512, 1024, 1300][next(6)] ?? 0, next(2) * 0x5a);
    const lun = next(50) === 0 ? OTHER_LUN : LUN_0;
    if (next(100) === 0) fixture.device.nexusOpened(NEXUS, PORT);
    fixture.operations.length = 0;
    const plan = fixture.device.execute({ nexus: NEXUS, lun, cdb, dataOut });
    const outcome = plan.kind === 'volume' && isLarge(plan) ? undefined : fixture.finish(plan);
    if (outcome === undefined) continue;
    expect(outcome.status === STATUS.CHECK_CONDITION).toBe(outcome.sense !== undefined);
    expect(outcome.dataIn.length).toBeLessThanOrEqual(outcome.transferBytes);
    outcomes.add(senseOf(outcome));
  }
  expect(outcomes).toEqual(
    new Set([
      'good',
      '05/1a/00',
      '05/20/00',
      '05/21/00',
      '05/24/00',
      '05/25/00',
      '05/26/00',
      '05/39/00',
      '06/29/00',
      '0e/1d/00',
      'status 24', // RESERVATION CONFLICT
    ]),
  );
});

/** Moving megabytes again and again says nothing new and takes long. */
function isLarge({ operations }: { readonly operations: readonly VolumeOperation[] }): boolean {
  const bytesOf = (operation: VolumeOperation) => {
    if (operation.kind === 'flush' || operation.kind === 'load') return 0;
    return 'data' in operation ? operation.data.length : operation.length;
  };
  return operations.some((operation) => bytesOf(operation) > 65536);
}

/** Mulberry32: numbers in [0, limit). */
function makeGenerator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
