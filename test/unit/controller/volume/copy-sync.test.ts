import { createHash } from 'node:crypto';
import { CopySync, type CopySyncOptions } from '../../../../controller/volume/copy-sync.ts';
import type { SendEffect, VolumeEffect } from '../../../../controller/volume/step.ts';
import { MAX_STAMPS_BYTES, REGION_BYTES } from '../../../../replica/common/limits.ts';
import { FLAG, OPCODE } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import { STAMP } from '../../../../replica/protocol/stamps.ts';
import { makeEntries } from '../support/copies.ts';

const REGION_COUNT = 24;
const SIZE_BYTES = REGION_COUNT * REGION_BYTES;
const [SOURCE, TARGET] = makeEntries([{}, {}]) as [
  ReturnType<typeof makeEntries>[0],
  ReturnType<typeof makeEntries>[0],
];

/** A copy with one byte and one stamp per region; a region of byte 0 is a hole. */
class FakeCopy {
  readonly bytes: number[];
  readonly stamps: number[];
  writtenRegions = 0;

  constructor(bytes: readonly number[], stamps: readonly number[]) {
    this.bytes = [...bytes];
    this.stamps = [...stamps];
  }

  answer({ opcode, seq, offset, length, flags, generation, data }: SendEffect): Frame | undefined {
    const first = offset / REGION_BYTES;
    const regions = Array.from({ length: length / REGION_BYTES }, (_, index) => first + index);
    const reply = { flags: 0, status: 0, seq, stableSeq: 0, offset, length, generation: 0 };
    switch (opcode) {
      case OPCODE.STAMPS: {
        const payload = Buffer.concat(regions.map((region) => u32(this.stamps[region]!)));
        return { ...reply, opcode: OPCODE.STAMPS_REPLY, payload };
      }
      case OPCODE.HASHES: {
        const entry = (region: number) => [
          u32(this.stamps[region]!),
          createHash('sha256').update(String(this.bytes[region])).digest(),
        ];
        return {
          ...{ ...reply, opcode: OPCODE.HASHES_REPLY },
          payload: Buffer.concat(regions.flatMap(entry)),
        };
      }
      case OPCODE.READ: {
        const isHole = regions.every((region) => this.bytes[region] === 0);
        const newest = Math.max(...regions.map((region) => this.stamps[region]!));
        const payload = Buffer.from(isHole ? [] : regions.map((region) => this.bytes[region]!));
        const zero = isHole ? FLAG.ZERO : 0;
        return { ...reply, opcode: OPCODE.READ_REPLY, flags: zero, generation: newest, payload };
      }
      case OPCODE.MARK:
        expect(flags).toBe(FLAG.ASSIGN);
        for (const region of regions) this.stamps[region] = generation;
        return undefined;
      case OPCODE.WRITE:
      case OPCODE.TRIM:
        expect(flags & FLAG.ASSIGN).not.toBe(0);
        for (const [index, region] of regions.entries()) {
          this.bytes[region] = data?.[index] ?? 0;
          this.stamps[region] = generation;
          this.writtenRegions += 1;
        }
        return { ...reply, opcode: OPCODE.WRITE_REPLY, payload: Buffer.alloc(0) };
      default:
        throw new Error(`unexpected opcode ${opcode}`);
    }
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function makeSync(work: Partial<CopySyncOptions['work']> & { known?: object } = {}) {
  let seq = 0;
  const numbers = { nextSeq: () => ++seq, stableSeq: 0, generation: 9 };
  const effects: VolumeEffect[] = [];
  const context = { numbers, nowMs: 0, effects };
  const known = { generation: 3, isPristine: false };
  const sync = new CopySync({
    ...{ source: SOURCE.bit, target: TARGET.bit },
    work: { kind: 'volume', sizeBytes: SIZE_BYTES, known, ...work } as CopySyncOptions['work'],
  });
  return { sync, context, effects };
}

function run(source: FakeCopy, target: FakeCopy): { locked: boolean } {
  const { sync, context, effects } = makeSync();
  let locked = false;
  sync.fill(3, context);
  for (let step = 0; effects.length > 0; step += 1) {
    expect(step).toBeLessThan(1_000);
    const effect = effects.shift() as SendEffect;
    if (effect.opcode === OPCODE.READ) {
      locked = sync.locks(effect.offset, effect.offset + 1);
    }
    for (const [entry, copy] of [
      [TARGET, target],
      [SOURCE, source],
    ] as const) {
      if ((effect.copies & entry.bit) === 0) continue;
      const frame = copy.answer(effect);
      if (frame === undefined) continue;
      expect(sync.owns(frame.seq)).toBe(true);
      expect(sync.onReply(entry, frame, context)).toBe(true);
    }
    sync.fill(3, context);
  }
  expect(sync.isDone).toBe(true);
  expect(sync.doneBytes).toBe(sync.totalBytes);
  expect(sync.differenceBytes).toBe(0);
  return { locked };
}

const regions = (value: (region: number) => number) =>
  Array.from({ length: REGION_COUNT }, (_, region) => value(region));

describe('copy that is synced', () => {
  test('S41: gets the regions that changed since it left, with their stamps, and no others', () => {
    const source = new FakeCopy(
      regions((region) => region + 1),
      regions((region) => (region < 5 ? 4 + (region % 2) : 3)),
    );
    const target = new FakeCopy(
      regions((region) => (region < 5 ? 99 : region + 1)),
      regions(() => 3),
    );
    const { locked } = run(source, target);
    expect(locked).toBe(true);
    expect(target.bytes).toEqual(source.bytes);
    expect(target.stamps).toEqual(source.stamps);
    expect(target.writtenRegions).toBe(5);
  });

  test('is compared where it cannot tell, and gets only what differs', () => {
    const source = new FakeCopy(
      regions(() => 7),
      regions(() => 2),
    );
    const target = new FakeCopy(
      regions((region) => (region === 4 ? 8 : 7)),
      regions((region) => (region < 20 ? STAMP.UNKNOWN : 2)),
    );
    run(source, target);
    expect(target.bytes).toEqual(source.bytes);
    expect(target.stamps).toEqual(source.stamps);
    expect(target.writtenRegions).toBe(1);
  });

  test('settles what the source did not know either, on both', () => {
    const unknown = () => regions(() => STAMP.UNKNOWN);
    const source = new FakeCopy(
      regions(() => 7),
      unknown(),
    );
    const target = new FakeCopy(
      regions((region) => (region < 3 ? 8 : 7)),
      unknown(),
    );
    run(source, target);
    expect(target.bytes).toEqual(source.bytes);
    expect([...source.stamps, ...target.stamps].every((stamp) => stamp === 9)).toBe(true);
  });

  test('gets a hole as a hole', () => {
    const source = new FakeCopy(
      regions(() => 0),
      regions(() => 5),
    );
    const target = new FakeCopy(
      regions(() => 8),
      regions(() => 2),
    );
    run(source, target);
    expect(target.bytes).toEqual(source.bytes);
  });

  test('needs nothing when nothing changed', () => {
    const copy = () =>
      new FakeCopy(
        regions(() => 7),
        regions(() => 3),
      );
    const target = copy();
    run(copy(), target);
    expect(target.writtenRegions).toBe(0);
  });
});

describe('sync of a large volume', () => {
  test('counts all windows before it moves anything, so that the total is known', () => {
    const sizeBytes = 2 * MAX_STAMPS_BYTES + REGION_BYTES;
    const { sync, context, effects } = makeSync({ kind: 'volume', sizeBytes });
    const answer = (stamp: number) => {
      const effect = effects.shift() as SendEffect;
      expect(effect.opcode).toBe(OPCODE.STAMPS);
      for (const [entry, value] of [
        [SOURCE, stamp],
        [TARGET, 0],
      ] as const) {
        const payload = Buffer.concat(
          Array.from({ length: effect.length / REGION_BYTES }, () => u32(value)),
        );
        const frame = { ...effect, opcode: OPCODE.STAMPS_REPLY, status: 0, payload };
        expect(sync.onReply(entry, frame, context)).toBe(true);
      }
      sync.fill(1, context);
      return effect.offset;
    };
    sync.fill(1, context);
    expect([answer(3), answer(3), answer(4)]).toEqual([0, MAX_STAMPS_BYTES, 2 * MAX_STAMPS_BYTES]);
    expect([sync.isCounted, sync.totalBytes, sync.isDone]).toEqual([true, REGION_BYTES, false]);
    expect(sync.differenceBytes).toBe(REGION_BYTES);
    expect([answer(3), answer(3), answer(4)]).toEqual([0, MAX_STAMPS_BYTES, 2 * MAX_STAMPS_BYTES]);
    expect((effects[0] as SendEffect).opcode).toBe(OPCODE.READ);
  });
});

describe('copies that are made equal', () => {
  const [one, other] = [0, 8 * REGION_BYTES].map((start) => ({
    ...{ start, end: start + REGION_BYTES, isCompared: false },
  }));

  /** Answers the first request of the list that is for `entry`. */
  function answerNext(made: ReturnType<typeof makeSync>, fields: Partial<Frame> = {}) {
    const asked = made.effects.shift() as SendEffect;
    const entry = asked.copies === SOURCE.bit ? SOURCE : TARGET;
    const payload = Buffer.alloc(asked.opcode === OPCODE.READ ? REGION_BYTES : 0, 1);
    const opcode = (asked.opcode + 32) as typeof asked.opcode;
    const frame = { ...asked, opcode, flags: 0, status: 0, generation: 2, payload, ...fields };
    const isSound = made.sync.onReply(entry, frame, made.context);
    made.sync.fill(2, made.context);
    return { asked, isSound };
  }

  test('I6 are so in one step: what came is kept aside until a COMMIT carries it out', () => {
    const made = makeSync({ kind: 'pieces', tasks: [one!, other!] });
    const { sync, context, effects } = made;
    sync.fill(2, context);
    for (let read = 0; read < 2; read += 1) answerNext(made);
    const writes = effects as SendEffect[];
    expect(writes.map(({ opcode, flags }) => ({ opcode, flags }))).toEqual([
      { opcode: OPCODE.WRITE, flags: FLAG.ASSIGN | FLAG.STAGED },
      { opcode: OPCODE.WRITE, flags: FLAG.ASSIGN | FLAG.STAGED },
    ]);
    const first = writes[0]!.seq;
    answerNext(made);
    expect([effects.length, sync.isDone]).toEqual([1, false]);
    answerNext(made);
    expect(effects).toMatchObject([
      { opcode: OPCODE.COMMIT, copies: TARGET.bit, offset: first, length: 0 },
    ]);
    expect([sync.isDone, sync.hasOverdue(TARGET.bit, 1)]).toEqual([false, true]);
    expect(sync.hasOverdue(SOURCE.bit, 1)).toBe(false);
    sync.fill(2, context);
    expect(effects).toHaveLength(1);
    expect(answerNext(made).isSound).toBe(true);
    expect([sync.isDone, effects.length]).toEqual([true, 0]);
  });

  test('need no COMMIT, when nothing differs', () => {
    const made = makeSync({ kind: 'pieces', tasks: [{ ...one!, isCompared: true }] });
    made.sync.fill(2, made.context);
    const asked = made.effects.shift() as SendEffect;
    for (const entry of [SOURCE, TARGET]) {
      const payload = Buffer.alloc(36, 1);
      const frame = { ...asked, opcode: OPCODE.HASHES_REPLY, status: 0, payload };
      made.sync.onReply(entry, frame, made.context);
    }
    made.sync.fill(2, made.context);
    expect(made.sync.isDone).toBe(true);
    expect(made.effects.map((effect) => (effect as SendEffect).opcode)).toEqual([OPCODE.MARK]);
  });

  test('are not, when the answer to the COMMIT is another', () => {
    const made = makeSync({ kind: 'pieces', tasks: [one!] });
    made.sync.fill(2, made.context);
    answerNext(made);
    answerNext(made);
    expect(answerNext(made, { opcode: OPCODE.WRITE_REPLY }).isSound).toBe(false);
  });
});

describe('answer to a sync', () => {
  const begin = (tasks: readonly { start: number; end: number; isCompared: boolean }[]) => {
    const { sync, context, effects } = makeSync({ kind: 'pieces', tasks });
    sync.fill(1, context);
    return { sync, context, asked: effects[0] as SendEffect };
  };
  const piece = (isCompared: boolean) => [{ start: 0, end: REGION_BYTES, isCompared }];
  const payload = Buffer.alloc(35);

  test('that is too short for its range is refused (I11)', () => {
    const { sync, context, asked } = begin(piece(true));
    const frame = { ...asked, opcode: OPCODE.HASHES_REPLY, status: 0, payload };
    expect(sync.onReply(SOURCE, frame, context)).toBe(false);
  });

  test('that brings more or less than was asked for is refused (I11)', () => {
    const { sync, context, asked } = begin(piece(false));
    const frame = { ...asked, opcode: OPCODE.READ_REPLY, status: 0, length: 4096, payload };
    expect(sync.onReply(SOURCE, frame, context)).toBe(false);
  });

  test('is missed from the copy that owes it', () => {
    const { sync } = begin(piece(false));
    expect([sync.hasOverdue(SOURCE.bit, 1), sync.hasOverdue(TARGET.bit, 1)]).toEqual([true, false]);
    expect(sync.hasOverdue(SOURCE.bit, 0)).toBe(false);
  });
});
