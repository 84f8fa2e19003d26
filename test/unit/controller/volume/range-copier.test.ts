import { RangeCopier } from '../../../../controller/volume/range-copier.ts';
import type { SendEffect } from '../../../../controller/volume/step.ts';
import { FLAG, OPCODE } from '../../../../replica/protocol/constants.ts';
import { type Frame, NO_PAYLOAD } from '../../../../replica/protocol/frame.ts';

const REGION = 256 * 1024;
const SOURCE = 0b001;
const TARGETS = 0b110;

function make(ranges = [{ start: 0, end: REGION }]) {
  const copier = new RangeCopier({ ranges, source: SOURCE, targets: TARGETS });
  let seq = 100;
  const nextSeq = () => {
    seq += 1;
    return seq;
  };
  const fill = (nowMs = 0) => {
    const sends: SendEffect[] = [];
    copier.fill(nextSeq, nowMs, sends);
    return sends;
  };
  const answer = (read: SendEffect, flags = 0, payload: Buffer = Buffer.alloc(read.length, 7)) => {
    const sends: SendEffect[] = [];
    const fields = { opcode: OPCODE.READ_REPLY, flags, status: 0, seq: read.seq, stableSeq: 0 };
    const frame: Frame = { ...fields, offset: read.offset, length: read.length, payload };
    copier.readDone(frame, { seq: nextSeq(), stableSeq: 9, nowMs: 0 }, sends);
    return sends;
  };
  return { copier, nextSeq, fill, answer };
}

describe('range copier', () => {
  test('cuts ranges at region borders and has four regions under way', () => {
    const { fill, copier } = make([
      { start: 4096, end: 2 * REGION + 8192 },
      { start: 4 * REGION, end: 6 * REGION },
    ]);
    expect(fill().map(({ offset, length }) => [offset, length])).toEqual([
      [4096, REGION - 4096],
      [REGION, REGION],
      [2 * REGION, 8192],
      [4 * REGION, REGION],
    ]);
    expect(fill()).toEqual([]);
    expect(copier.totalBytes).toBe(4 * REGION + 4096);
  });

  test('passes what it read on to the targets as it came', () => {
    const { fill, answer } = make();
    const [read] = fill();
    expect(read).toMatchObject({ copies: SOURCE, opcode: OPCODE.READ, offset: 0, length: REGION });
    const payload = Buffer.from('compressed');
    const [write, ...more] = answer(read!, FLAG.LZ4, payload);
    expect(more).toEqual([]);
    expect(write).toMatchObject({
      ...{ copies: TARGETS, opcode: OPCODE.WRITE, flags: FLAG.LZ4, stableSeq: 9, isEncoded: true },
      ...{ offset: 0, length: REGION, data: payload },
    });
  });

  test('copies a hole as a hole', () => {
    const { fill, answer } = make();
    const [trim] = answer(fill()[0]!, FLAG.ZERO, NO_PAYLOAD);
    expect(trim).toMatchObject({ opcode: OPCODE.TRIM, flags: 0, length: REGION });
    expect(trim?.data?.length).toBe(0);
  });

  test('locks a region from its read until the last target has answered', () => {
    const { copier, fill, answer } = make();
    expect(copier.locks(0, REGION)).toBe(false);
    const [read] = fill();
    expect([copier.locks(REGION - 1, REGION), copier.locks(REGION, 2 * REGION)]).toEqual([
      true,
      false,
    ]);
    const [write] = answer(read!);
    expect(copier.writeDone(write!.seq, 0b010)).toBe(false);
    expect([copier.locks(0, 1), copier.isDone]).toEqual([true, false]);
    expect(copier.writeDone(write!.seq, 0b100)).toBe(true);
    expect([copier.locks(0, 1), copier.isDone, copier.doneBytes]).toEqual([false, true, REGION]);
  });

  test('reads again from another source what the lost one had not answered, and only that', () => {
    const { copier, nextSeq, fill, answer } = make([{ start: 0, end: 2 * REGION }]);
    const [first, second] = fill();
    const [write] = answer(first!);
    const sends: SendEffect[] = [];
    copier.changeSource(0b1000, nextSeq, 5, sends);
    expect(sends).toMatchObject([{ copies: 0b1000, opcode: OPCODE.READ, offset: REGION }]);
    expect([copier.owns(second!.seq), copier.owns(write!.seq)]).toEqual([false, true]);
    expect(answer(second!)).toEqual([]); // the old source, late
  });

  test('knows who has owed an answer for too long', () => {
    const { copier, fill, answer } = make();
    const [read] = fill(10);
    expect([copier.hasOverdue(SOURCE, 11), copier.hasOverdue(SOURCE, 10)]).toEqual([true, false]);
    const [write] = answer(read!);
    copier.writeDone(write!.seq, 0b010);
    const overdue = [SOURCE, 0b010, 0b100].map((copy) => copier.hasOverdue(copy, 1));
    expect(overdue).toEqual([false, false, true]);
  });
});
