import type { ScsiPlan } from '../../../../controller/scsi/plan.ts';
import { SeededRandom } from '../../../support/random.ts';
import { BLOCK_COUNT, Fixture, hex, LUN_0, makeBlocks, NEXUS, senseOf } from './fixture.ts';

const LENGTH_ERROR = '05/1a/00';
const INVALID_PARAMETER = '05/26/00';
const INVALID_CDB = '05/24/00';
const TOO_MANY_TARGETS = '05/26/06';
const UNSUPPORTED_TARGET = '05/26/07';
const TOO_MANY_SEGMENTS = '05/26/08';
const UNSUPPORTED_SEGMENT = '05/26/09';
const COPY_ABORTED = '0a/00/00';
const UNREACHABLE_TARGET = '0a/08/04';
const NOT_REACHABLE = '0a/0d/02';
const WRONG_TYPE = '0a/0d/03';
const MIB = 1024 * 1024;

/** The NAA designator of VPD page 83h, as an identification descriptor CSCD descriptor. */
function makeTarget(fixture: Fixture): Buffer {
  const page = fixture.send('12 01 83 00ff').dataIn;
  const designator = page.subarray(4, 8 + (page[7] as number));
  const target = Buffer.alloc(32);
  target[0] = 0xe4;
  designator.copy(target, 4);
  target.writeUIntBE(512, 29, 3);
  return target;
}

interface SegmentFields {
  readonly from: number;
  readonly to: number;
  readonly blocks: number;
  readonly source?: number;
  readonly target?: number;
}

function makeSegment({ from, to, blocks, source = 0, target = 0 }: SegmentFields): Buffer {
  const segment = Buffer.alloc(28);
  segment[0] = 0x02;
  segment.writeUInt16BE(24, 2);
  segment.writeUInt16BE(source, 4);
  segment.writeUInt16BE(target, 6);
  segment.writeUInt16BE(blocks, 10);
  segment.writeBigUInt64BE(BigInt(from), 12);
  segment.writeBigUInt64BE(BigInt(to), 20);
  return segment;
}

interface ListFields {
  readonly targets: readonly Buffer[];
  readonly segments: readonly Buffer[];
  readonly listId?: number;
  readonly usage?: number;
}

function makeList({ targets, segments, listId = 1, usage = 0 }: ListFields): Buffer {
  const header = Buffer.alloc(16);
  const [targetBytes, segmentBytes] = [Buffer.concat(targets), Buffer.concat(segments)];
  header.set([listId, usage << 3]);
  header.writeUInt16BE(targetBytes.length, 2);
  header.writeUInt32BE(segmentBytes.length, 8);
  return Buffer.concat([header, targetBytes, segmentBytes]);
}

const cdbOf = (list: Buffer) => `83 00 0000000000000000 ${hex(list.length, 8)} 0000`;
const copy = (fixture: Fixture, list: Buffer) => fixture.send(cdbOf(list), list);
const copyOne = (fixture: Fixture, fields: SegmentFields, listId?: number) =>
  copy(
    fixture,
    makeList({
      ...{ targets: [makeTarget(fixture)], segments: [makeSegment(fields)] },
      ...(listId === undefined ? {} : { listId }),
    }),
  );
const statusOf = (fixture: Fixture, listId: number) =>
  fixture.send(`84 00 ${hex(listId, 2)} 00000000000000 000000ff 0000`);

/** Starts a copy, and leaves its steps to the test. */
function begin(fixture: Fixture, list: Buffer): ScsiPlan {
  const cdb = Buffer.alloc(16);
  cdb.write(cdbOf(list).replaceAll(' ', ''), 'hex');
  const course = fixture.device.execute({ nexus: NEXUS, lun: LUN_0, cdb, dataOut: list });
  return fixture.plan(course);
}

describe('EXTENDED COPY', () => {
  test('copies the blocks of its segments, one behind the other', () => {
    const fixture = new Fixture();
    makeBlocks(300).copy(fixture.bytes);
    const segments = [
      makeSegment({ from: 0, to: 1000, blocks: 300 }),
      makeSegment({ from: 1000, to: BLOCK_COUNT - 10, blocks: 10 }),
    ];
    const list = makeList({ targets: [makeTarget(fixture)], segments });
    const outcome = copy(fixture, list);
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', list.length]);
    const at = (lba: number, blocks: number) =>
      fixture.bytes.subarray(lba * 512, (lba + blocks) * 512);
    expect(at(1000, 300).equals(makeBlocks(300))).toBe(true);
    expect(at(BLOCK_COUNT - 10, 10).equals(at(0, 10))).toBe(true);
  });

  test('locks all that it reads and writes from its first step on', () => {
    const fixture = new Fixture();
    const segments = [
      makeSegment({ from: 0, to: 100, blocks: 50 }),
      makeSegment({ from: 40, to: 300, blocks: 20 }),
    ];
    const plan = begin(fixture, makeList({ targets: [makeTarget(fixture)], segments }));
    if (plan.kind !== 'volume') throw new Error('it reads');
    expect(plan.locks?.map(({ start, end }) => [start / 512, end / 512])).toEqual([
      [0, 60],
      [100, 150],
      [300, 320],
    ]);
  });

  test('deallocates where the source is zeros', () => {
    const fixture = new Fixture();
    fixture.bytes.fill(7, 4 * MIB, 8 * MIB);
    fixture.bytes.fill(9, MIB, 2 * MIB);
    copyOne(fixture, { from: 0, to: 8192, blocks: 6144 });
    expect(fixture.operations.map(({ kind }) => kind)).toEqual([
      'read',
      'trim',
      'read',
      'write',
      'read',
      'trim',
    ]);
    expect(
      fixture.bytes.subarray(4 * MIB, 7 * MIB).equals(fixture.bytes.subarray(0, 3 * MIB)),
    ).toBe(true);
  });

  test.each([
    ['forwards', 0, 3],
    ['backwards', 3, 0],
    ['far forwards', 0, 4000],
  ])('moves a range that overlaps itself %s', (_name, from, to) => {
    const fixture = new Fixture();
    const random = new SeededRandom(7);
    for (let at = 0; at < 6 * MIB; at += 64) fixture.bytes[at] = random.below(256);
    const source = Buffer.from(fixture.bytes.subarray(from * 512, (from + 5000) * 512));
    expect(senseOf(copyOne(fixture, { from, to, blocks: 5000 }))).toBe('good');
    expect(fixture.bytes.subarray(to * 512, (to + 5000) * 512).equals(source)).toBe(true);
  });

  test('does not look at LU ID TYPE: an identification descriptor has no number to read', () => {
    const fixture = new Fixture();
    const segments = [makeSegment({ from: 0, to: 100, blocks: 1 })];
    const list = makeList({ targets: [makeTarget(fixture)], segments });
    list[17] = 0xc0;
    expect(senseOf(copy(fixture, list))).toBe('good');
  });

  test('does nothing without a parameter list, or for segments of no blocks', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send('83'))).toBe('good');
    expect(senseOf(copyOne(fixture, { from: 0, to: 1, blocks: 0 }))).toBe('good');
    expect(fixture.operations).toEqual([]);
  });

  test('refuses a list that is cut anywhere', () => {
    const fixture = new Fixture();
    const segments = [makeSegment({ from: 0, to: 100, blocks: 1 })];
    const list = makeList({ targets: [makeTarget(fixture)], segments });
    for (let length = 1; length < list.length; length += 1) {
      expect([length, senseOf(copy(fixture, list.subarray(0, length)))]).toEqual([
        length,
        LENGTH_ERROR,
      ]);
    }
    expect(senseOf(fixture.send(cdbOf(list), list.subarray(1)))).toBe(LENGTH_ERROR);
    expect(fixture.operations).toEqual([]);
  });

  test('refuses more descriptors than it says it takes, and lists longer than that', () => {
    const fixture = new Fixture();
    const target = makeTarget(fixture);
    const segment = makeSegment({ from: 0, to: 100, blocks: 1 });
    const parameters = fixture.send('84 03 0000000000000000 000000ff').dataIn;
    const [maxTargets, maxSegments] = [parameters.readUInt16BE(8), parameters.readUInt16BE(10)];
    const send = (targetCount: number, segmentCount: number) =>
      senseOf(
        copy(
          fixture,
          makeList({
            targets: new Array<Buffer>(targetCount).fill(target),
            segments: new Array<Buffer>(segmentCount).fill(segment),
          }),
        ),
      );
    expect(send(maxTargets, maxSegments)).toBe('good');
    expect(send(maxTargets + 1, 1)).toBe(TOO_MANY_TARGETS);
    expect(send(1, maxSegments + 1)).toBe(TOO_MANY_SEGMENTS);
    expect(send(maxTargets + 1, maxSegments + 1)).toBe(LENGTH_ERROR);
  });

  test.each([
    ['a Fibre Channel target', 16, 0xe0, UNSUPPORTED_TARGET],
    ['the null device', 17, 0x20, NOT_REACHABLE],
    ['a tape', 17, 0x01, WRONG_TYPE],
    ['another code set', 20, 0x02, NOT_REACHABLE],
    ['another type of designator', 21, 0x02, NOT_REACHABLE],
    ['a designator of another length', 23, 0x07, NOT_REACHABLE],
    ['another unit', 24, 0xff, NOT_REACHABLE],
    ['blocks of another size', 46, 0x10, INVALID_PARAMETER],
    ['a stream segment', 48, 0x03, UNSUPPORTED_SEGMENT],
    ['a segment of another length', 51, 0x17, INVALID_PARAMETER],
    ['a source that is not in the list', 53, 0x01, UNREACHABLE_TARGET],
    ['a destination that is not in the list', 55, 0x01, UNREACHABLE_TARGET],
    ['inline data', 15, 0x01, INVALID_PARAMETER],
    ['a reserved list id usage', 1, 0x08, INVALID_PARAMETER],
    ['a list identifier where there is none', 1, 0x18, INVALID_PARAMETER],
  ])('refuses %s', (_name, at, value, sense) => {
    const fixture = new Fixture();
    const segments = [makeSegment({ from: 0, to: 100, blocks: 1 })];
    const list = makeList({ targets: [makeTarget(fixture)], segments });
    list[at] = value;
    expect(senseOf(copy(fixture, list))).toBe(sense);
    expect(fixture.operations).toEqual([]);
  });

  test.each([
    [BLOCK_COUNT, 0],
    [0, BLOCK_COUNT],
    [BLOCK_COUNT - 1, 0],
    [0, 2 ** 53],
    [2 ** 60, 0],
  ])('aborts at a segment from block %i to %i, which is past the end', (from, to) => {
    const fixture = new Fixture();
    makeBlocks(4).copy(fixture.bytes);
    const segments = [
      makeSegment({ from: 0, to: 100, blocks: 4 }),
      makeSegment({ from, to, blocks: 2 }),
      makeSegment({ from: 0, to: 200, blocks: 4 }),
    ];
    const list = makeList({ targets: [makeTarget(fixture)], segments });
    expect(senseOf(copy(fixture, list))).toBe(COPY_ABORTED);
    expect(fixture.bytes.subarray(100 * 512, 104 * 512).equals(makeBlocks(4))).toBe(true);
    expect(fixture.bytes[200 * 512]).toBe(0);
    expect(statusOf(fixture, 1).dataIn.toString('hex')).toBe('00000008' + '02000101' + '00000002');
  });

  test('says what failed when a read or a write does', () => {
    const fixture = new Fixture();
    const list = makeList({
      ...{ targets: [makeTarget(fixture)] },
      segments: [makeSegment({ from: 0, to: 100, blocks: 1 })],
    });
    fixture.failure = 'NO_SPACE';
    expect(senseOf(copy(fixture, list))).toBe('07/27/07');
    fixture.failure = undefined;
    expect(statusOf(fixture, 1).dataIn[4]).toBe(0x02);
  });

  test('random parameter lists never throw, and never leave the volume', () => {
    const random = new SeededRandom(20261121);
    const fixture = new Fixture();
    const target = makeTarget(fixture);
    for (let count = 0; count < 5000; count += 1) {
      const fields = {
        from: random.below(40_000),
        to: random.below(40_000),
        blocks: random.below(9),
      };
      const list = makeList({ targets: [target], segments: [makeSegment(fields)] });
      for (let flip = random.below(4); flip > 0; flip -= 1) {
        list[random.below(list.length)] = random.below(256);
      }
      expect([0, 2]).toContain(copy(fixture, list).status);
      fixture.operations.length = 0;
    }
  });
});

describe('RECEIVE COPY STATUS', () => {
  test('tells once how a copy ended', () => {
    const fixture = new Fixture();
    expect(senseOf(statusOf(fixture, 9))).toBe(INVALID_CDB);
    fixture.bytes.fill(1, 0, 2048 * 512);
    copyOne(fixture, { from: 0, to: 4096, blocks: 2048 }, 9);
    expect(statusOf(fixture, 9).dataIn.toString('hex')).toBe('00000008' + '01000101' + '00000400');
    expect(senseOf(statusOf(fixture, 9))).toBe(INVALID_CDB);
  });

  test('tells how far a copy is that runs, whose identifier is taken meanwhile', () => {
    const fixture = new Fixture();
    const list = makeList({
      ...{ targets: [makeTarget(fixture)], listId: 3 },
      segments: [makeSegment({ from: 0, to: 8192, blocks: 4096 })],
    });
    let plan = begin(fixture, list);
    for (let step = 0; step < 2 && plan.kind === 'volume'; step += 1) plan = fixture.step(plan);
    expect(statusOf(fixture, 3).dataIn.toString('hex')).toBe('00000008' + '00000001' + '00000000');
    expect(senseOf(copy(fixture, list))).toBe('05/00/16');
    expect(senseOf(fixture.finish(plan))).toBe('good');
    expect(statusOf(fixture, 3).dataIn[4]).toBe(0x01);
    expect(senseOf(copy(fixture, list))).toBe('good');
  });

  test('knows nothing of copies of another nexus, nor of one that ended', () => {
    const fixture = new Fixture();
    copyOne(fixture, { from: 0, to: 100, blocks: 1 }, 5);
    const port = 'iqn.2026-11.org.example:host8,i,0x00023d000008';
    fixture.device.nexusOpened(8, port);
    const cdb = Buffer.from('84000500000000000000000000ff0000'.padEnd(32, '0'), 'hex');
    const ask = () =>
      fixture.finish(
        fixture.device.execute({ nexus: 8, lun: LUN_0, cdb, dataOut: Buffer.alloc(0) }),
      );
    expect(senseOf(ask())).toBe('06/29/00');
    expect(senseOf(ask())).toBe(INVALID_CDB);
    fixture.device.nexusClosed(NEXUS);
    fixture.device.nexusOpened(NEXUS, port);
    fixture.send('00');
    expect(senseOf(statusOf(fixture, 5))).toBe(INVALID_CDB);
  });

  test('of a copy whose session ended while it ran is told to nobody', () => {
    const fixture = new Fixture();
    const list = makeList({
      ...{ targets: [makeTarget(fixture)], listId: 3 },
      segments: [makeSegment({ from: 0, to: 8192, blocks: 1 })],
    });
    const plan = begin(fixture, list);
    fixture.device.nexusClosed(NEXUS);
    expect(senseOf(fixture.finish(plan))).toBe('good');
  });

  test('more copies at a time than it says are refused until one is over', () => {
    const fixture = new Fixture();
    const max = fixture.send('84 03 0000000000000000 000000ff').dataIn[36] as number;
    const listOf = (listId: number) =>
      makeList({
        ...{ targets: [makeTarget(fixture)], listId },
        segments: [makeSegment({ from: 0, to: 100 + listId, blocks: 1 })],
      });
    const plans = Array.from({ length: max }, (_, index) => begin(fixture, listOf(index)));
    expect(senseOf(copy(fixture, listOf(100)))).toBe('05/00/16');
    const [first] = plans;
    if (first === undefined) throw new Error('none runs');
    fixture.finish(first);
    expect(senseOf(copy(fixture, listOf(100)))).toBe('good');
  });
});

test('RECEIVE COPY OPERATING PARAMETERS and VPD page 8Fh tell the same limits', () => {
  const fixture = new Fixture();
  const parameters = fixture.send('84 03 0000000000000000 000000ff').dataIn;
  expect(parameters.readUInt32BE(0)).toBe(parameters.length - 4);
  expect([...parameters.subarray(43)]).toEqual([2, 0x02, 0xe4]);
  const page = fixture.send('12 01 8f 00ff').dataIn;
  const bodies = new Map<number, Buffer>();
  for (let at = 4; at < page.length; at += 4 + page.readUInt16BE(at + 2)) {
    bodies.set(page.readUInt16BE(at), page.subarray(at + 4, at + 4 + page.readUInt16BE(at + 2)));
  }
  expect([...bodies.keys()]).toEqual([0x0001, 0x0004, 0x0008, 0x000c, 0x8001]);
  expect(bodies.get(0x0001)?.toString('hex')).toBe('07' + '830100' + '84020003');
  expect(bodies.get(0x0004)?.subarray(4, 8)).toEqual(parameters.subarray(8, 12));
  expect(bodies.get(0x0004)?.subarray(8, 12)).toEqual(parameters.subarray(12, 16));
  expect(bodies.get(0x8001)?.subarray(8, 12)).toEqual(parameters.subarray(16, 20));
});
