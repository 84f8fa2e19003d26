import { MAX_TAIL_ENTRIES, WriteTail } from '../../../../replica/core/write-tail.ts';
import { MAX_TAIL_RANGES } from '../../../../replica/protocol/hello.ts';

const UNKNOWN = { known: false };
const EMPTY = { known: true, ranges: [] };

test('tail, holds what is above stableSeq, merged', () => {
  const tail = new WriteTail(true);
  tail.add(1, 0, 10);
  tail.add(2, 10, 20);
  tail.add(3, 50, 60);
  expect(tail.describe()).toEqual({
    known: true,
    ranges: [
      { start: 0, end: 20 },
      { start: 50, end: 60 },
    ],
  });
  tail.settle(2);
  expect(tail.describe()).toEqual({ known: true, ranges: [{ start: 50, end: 60 }] });
  tail.settle(1); // never backwards
  tail.settle(3);
  expect([tail.describe(), tail.isEmpty, tail.lastSeq]).toEqual([EMPTY, true, 3]);
});

test('tail, leaves out a write that is stable already', () => {
  const tail = new WriteTail(true);
  tail.settle(5);
  tail.add(5, 0, 10);
  expect(tail.describe()).toEqual(EMPTY);
});

test('tail, is inherited until the next instance has made the copies equal', () => {
  const tail = new WriteTail(true);
  tail.settle(7);
  tail.add(8, 0, 10);
  tail.beginInstance();
  tail.add(9, 20, 30);
  tail.settle(0);
  tail.beginInstance(); // the second one died while it equalised
  expect(tail.describe()).toEqual({
    known: true,
    ranges: [
      { start: 0, end: 10 },
      { start: 20, end: 30 },
    ],
  });
  tail.settle(12);
  expect(tail.isEmpty).toBe(true);
});

test('tail, stays unknown after an unclean start, until the copies were made equal', () => {
  const tail = new WriteTail(false);
  tail.beginInstance();
  tail.add(1, 0, 10);
  tail.clear();
  expect([tail.describe(), tail.isEmpty]).toEqual([UNKNOWN, false]);
  tail.settle(1);
  expect(tail.describe()).toEqual(EMPTY);
});

test('tail, is unknown rather than wrong, beyond what a welcome carries', () => {
  const tail = new WriteTail(true);
  for (let seq = 1; seq <= MAX_TAIL_RANGES; seq += 1) tail.add(seq, seq * 20, seq * 20 + 10);
  expect(tail.describe().known).toBe(true);
  tail.add(MAX_TAIL_RANGES + 1, 0, 5);
  expect(tail.describe()).toEqual(UNKNOWN);
  tail.beginInstance();
  expect(tail.describe()).toEqual(UNKNOWN);
});

test('tail, is unknown until what overflowed is stable, when a controller never confirms', () => {
  const tail = new WriteTail(true);
  for (let seq = 1; seq <= MAX_TAIL_ENTRIES + 1; seq += 1) tail.add(seq, 0, 10);
  expect([tail.describe(), tail.length]).toEqual([UNKNOWN, 0]);
  tail.settle(MAX_TAIL_ENTRIES);
  expect(tail.describe()).toEqual(UNKNOWN);
  tail.settle(MAX_TAIL_ENTRIES + 1);
  expect(tail.describe()).toEqual(EMPTY);
});

test('tail, forgets in order and stays short, over a long run', () => {
  const tail = new WriteTail(true);
  for (let seq = 1; seq <= 100_000; seq += 1) {
    tail.add(seq, seq, seq + 1);
    tail.settle(seq - 32);
    if (tail.length > 32) throw new Error(`length ${tail.length} at seq ${seq}`);
  }
  expect(tail.describe()).toEqual({ known: true, ranges: [{ start: 99_969, end: 100_001 }] });
});
