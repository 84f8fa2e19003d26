import type { ScsiPlan, VolumePlan } from '../../../../controller/scsi/plan.ts';
import {
  Fixture,
  hex,
  IDENTITY,
  LUN_0,
  makeDevice,
  NEXUS,
  SIZE_BYTES,
  senseOf,
} from './fixture.ts';

const INVALID_CDB = '05/24/00';
const INVALID_PARAMETER = '05/26/00';
const IN_PROGRESS = '02/04/1b';
const FAILED = '03/31/03';
const OVERWRITE = 0x01;
const BLOCK_ERASE = 0x02;
const EXIT_FAILURE_MODE = 0x1f;
const IMMED = 0x80;
const AUSE = 0x20;

const cdbOf = (flags: number, listBytes = 0) =>
  `48${hex(flags, 2)} 0000000000 ${hex(listBytes, 4)}`;

function makeList(pattern: Buffer, { count = 1, invert = false } = {}): Buffer {
  const header = Buffer.from([(invert ? 0x80 : 0) | count, 0, 0, 0]);
  header.writeUInt16BE(pattern.length, 2);
  return Buffer.concat([header, pattern]);
}

function overwrite(fixture: Fixture, list: Buffer, flags = OVERWRITE) {
  return fixture.send(cdbOf(flags, list.length), list);
}

/** Starts a sanitize, and leaves its work to the test. */
function begin(fixture: Fixture, flags: number): VolumePlan {
  const cdb = Buffer.alloc(16);
  cdb.write(cdbOf(flags).replaceAll(' ', ''), 'hex');
  const dataOut = Buffer.alloc(0);
  const plan = fixture.plan(fixture.device.execute({ nexus: NEXUS, lun: LUN_0, cdb, dataOut }));
  if (plan.kind !== 'detached') throw new Error(`a ${plan.kind} plan`);
  return plan.work;
}

describe('SANITIZE', () => {
  test('is not there unless the volume allows it, and is not reported either', () => {
    const { allowsSanitize: _, ...identity } = IDENTITY;
    const device = makeDevice(identity);
    const fixture = new Fixture();
    for (const service of [OVERWRITE, BLOCK_ERASE, EXIT_FAILURE_MODE]) {
      const cdb = Buffer.alloc(16);
      cdb.set([0x48, service]);
      const course = device.execute({ nexus: NEXUS, lun: LUN_0, cdb, dataOut: Buffer.alloc(0) });
      expect(senseOf(fixture.finish(course))).toBe('05/20/00');
      const report = Buffer.alloc(16);
      report.set([0xa3, 0x0c, 0x02, 0x48, 0, service, 0, 0, 1, 0]);
      const answer = device.execute({
        ...{ nexus: NEXUS, lun: LUN_0, cdb: report, dataOut: Buffer.alloc(0) },
      });
      expect(fixture.finish(answer).dataIn).toEqual(Buffer.from([0, 1, 0, 0]));
    }
  });

  test('refuses cryptographic erase: nothing is encrypted', () => {
    expect(senseOf(new Fixture().send(cdbOf(0x03)))).toBe(INVALID_CDB);
  });

  test.each([OVERWRITE, BLOCK_ERASE, EXIT_FAILURE_MODE])(
    'service action %i refuses reserved bits',
    (service) => {
      const reserved = [`48${hex(0x40 | service, 2)}`];
      for (let at = 2; at < 7; at += 1) {
        const bytes = Buffer.from([0x48, service, 0, 0, 0, 0, 0, 0, 0]);
        bytes[at] = 1;
        reserved.push(bytes.toString('hex'));
      }
      for (const cdb of reserved) {
        const fixture = new Fixture();
        expect([cdb, senseOf(fixture.send(cdb))]).toEqual([cdb, INVALID_CDB]);
        expect(fixture.operations).toEqual([]);
      }
    },
  );

  test.each([BLOCK_ERASE, EXIT_FAILURE_MODE])(
    'service action %i takes no parameters',
    (service) => {
      expect(senseOf(new Fixture().send(cdbOf(service, 8), Buffer.alloc(8)))).toBe(INVALID_CDB);
    },
  );
});

describe('SANITIZE BLOCK ERASE', () => {
  test('deallocates every block, and makes that durable', () => {
    const fixture = new Fixture();
    fixture.bytes.fill(0x61);
    expect(senseOf(fixture.send(cdbOf(BLOCK_ERASE)))).toBe('good');
    expect(fixture.bytes.equals(Buffer.alloc(SIZE_BYTES))).toBe(true);
    expect(fixture.operations).toEqual([
      { kind: 'trim', offset: 0, length: SIZE_BYTES },
      { kind: 'flush' },
    ]);
  });
});

describe('SANITIZE OVERWRITE', () => {
  test.each([512, 256, 4, 3])('repeats a pattern of %i bytes in every block', (bytes) => {
    const fixture = new Fixture();
    const pattern = Buffer.from(Array.from({ length: bytes }, (_, at) => at + 1));
    const outcome = overwrite(fixture, makeList(pattern));
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', bytes + 4]);
    const block = Buffer.alloc(512, pattern);
    expect(fixture.bytes.equals(Buffer.alloc(SIZE_BYTES, block))).toBe(true);
    const writes = fixture.operations.slice(0, -1);
    expect(writes.every((operation) => operation.kind === 'write' && operation.fua)).toBe(true);
  });

  test('writes as often as it is told, every other time inverted, the last time not', () => {
    const fixture = new Fixture();
    overwrite(fixture, makeList(Buffer.from([0x0f]), { count: 3, invert: true }));
    const starts = fixture.operations.flatMap((operation) =>
      operation.kind === 'write' && operation.offset === 0 ? [operation.data[0]] : [],
    );
    expect(starts).toEqual([0x0f, 0xf0, 0x0f]);
  });

  test.each([0, 1, 4, 512 + 5])('refuses a parameter list of %i bytes', (bytes) => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(cdbOf(OVERWRITE, bytes), Buffer.alloc(520, 1)))).toBe(INVALID_CDB);
  });

  test('refuses a count of 0, TEST, and patterns that are empty, too long or cut off', () => {
    const none = Buffer.alloc(516);
    none.set([0, 0, 2, 0]);
    const pattern = (length: number) => {
      const list = Buffer.alloc(516);
      list[0] = 1;
      list.writeUInt16BE(length, 2);
      return list;
    };
    expect(senseOf(overwrite(new Fixture(), none))).toBe(INVALID_PARAMETER);
    expect(senseOf(overwrite(new Fixture(), Buffer.from([0x21, 0, 0, 1, 7])))).toBe(
      INVALID_PARAMETER,
    );
    expect(senseOf(overwrite(new Fixture(), pattern(0)))).toBe(INVALID_PARAMETER);
    expect(senseOf(overwrite(new Fixture(), pattern(513)))).toBe(INVALID_PARAMETER);
    const cut = new Fixture();
    expect(senseOf(overwrite(cut, Buffer.from([1, 0, 0, 2, 7])))).toBe('05/1a/00');
    expect(senseOf(cut.send(cdbOf(OVERWRITE, 100), Buffer.alloc(99)))).toBe('05/1a/00');
    expect(cut.operations).toEqual([]);
  });
});

describe('while a sanitize runs', () => {
  test('it has all blocks for itself, and others are told how far it is', () => {
    const fixture = new Fixture();
    const work = begin(fixture, IMMED | BLOCK_ERASE);
    expect(work.locks).toEqual([{ start: 0, end: SIZE_BYTES }]);
    const ready = fixture.send('00');
    expect(senseOf(ready)).toBe(IN_PROGRESS);
    expect(ready.sense?.subarray(15)).toEqual(Buffer.from([0x80, 0, 0]));
    for (const cdb of ['28 00 00000000 00 0001', '1b 00 00 00 01', cdbOf(BLOCK_ERASE), '9e10']) {
      expect([cdb, senseOf(fixture.send(cdb))]).toEqual([cdb, IN_PROGRESS]);
    }
    expect(fixture.operations).toEqual([]);
  });

  test('INQUIRY, REPORT LUNS and REQUEST SENSE answer, the last with the progress', () => {
    const fixture = new Fixture(4 * 256 * 1024 * 1024);
    let plan: ScsiPlan = begin(fixture, IMMED | BLOCK_ERASE);
    for (let step = 0; step < 3; step += 1) {
      if (plan.kind !== 'volume') throw new Error('it runs');
      plan = plan.next([{ ok: true }]);
    }
    expect(senseOf(fixture.send('12 00 00 00ff'))).toBe('good');
    expect(fixture.send('a0 00 00 000000 00000010').dataIn).toHaveLength(16);
    const fixed = fixture.send('03 00 0000 ff').dataIn;
    expect([fixed[2], fixed[12], fixed[13]]).toEqual([2, 0x04, 0x1b]);
    expect(fixed.subarray(15, 18)).toEqual(Buffer.from([0x80, 0xc0, 0]));
    expect(fixture.send('03 01 0000 ff').dataIn).toEqual(
      Buffer.from([0x72, 2, 0x04, 0x1b, 0, 0, 0, 8, 0x02, 6, 0, 0, 0x80, 0xc0, 0, 0]),
    );
  });

  test('a reset does not end it, and its end makes the unit ready', () => {
    const fixture = new Fixture();
    const work = begin(fixture, BLOCK_ERASE);
    fixture.device.logicalUnitReset();
    expect([senseOf(fixture.send('00')), senseOf(fixture.send('00'))]).toEqual([
      '06/29/03',
      IN_PROGRESS,
    ]);
    fixture.finish(work);
    expect(senseOf(fixture.send('00'))).toBe('good');
  });
});

describe('a sanitize that failed', () => {
  const failed = (flags: number) => {
    const fixture = new Fixture();
    fixture.failure = 'IO_FAILED';
    expect(senseOf(fixture.send(cdbOf(flags)))).toBe(FAILED);
    fixture.failure = undefined;
    return fixture;
  };

  test('leaves the unit unusable until one succeeds', () => {
    const fixture = failed(BLOCK_ERASE);
    expect(senseOf(fixture.send('00'))).toBe(FAILED);
    expect(senseOf(fixture.send('28 00 00000000 00 0001'))).toBe(FAILED);
    expect(fixture.send('03 00 0000 ff').dataIn[12]).toBe(0x31);
    expect(senseOf(fixture.send(cdbOf(EXIT_FAILURE_MODE)))).toBe(INVALID_CDB);
    expect(senseOf(fixture.send(cdbOf(BLOCK_ERASE)))).toBe('good');
    expect(senseOf(fixture.send('00'))).toBe('good');
  });

  test('is left by EXIT FAILURE MODE when AUSE allowed that', () => {
    const fixture = failed(AUSE | BLOCK_ERASE);
    expect(senseOf(fixture.send('00'))).toBe(FAILED);
    expect(senseOf(fixture.send(cdbOf(EXIT_FAILURE_MODE)))).toBe('good');
    expect(senseOf(fixture.send('00'))).toBe('good');
  });

  test('also fails when only the flush at its end did', () => {
    const fixture = new Fixture();
    const step = begin(fixture, BLOCK_ERASE).next([{ ok: true }]);
    if (step.kind !== 'volume') throw new Error('a flush follows');
    expect(step.operations).toEqual([{ kind: 'flush' }]);
    expect(senseOf(fixture.finish(step.next([{ ok: false, reason: 'NOT_READY' }])))).toBe(FAILED);
    expect(senseOf(fixture.send('00'))).toBe(FAILED);
  });
});
