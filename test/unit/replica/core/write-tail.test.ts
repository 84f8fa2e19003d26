import { mergeRanges } from '../../../../replica/common/ranges.ts';
import { MAX_TAIL_ENTRIES, WriteTail } from '../../../../replica/core/write-tail.ts';
import { MAX_TAIL_RANGES } from '../../../../replica/protocol/hello.ts';

test('tail, holds what is above stableSeq, merged', () => {
  const tail = new WriteTail();
  tail.add(1, 0, 10);
  tail.add(2, 10, 20);
  tail.add(3, 50, 60);
  expect(tail.ranges()).toEqual([
    { start: 0, end: 20 },
    { start: 50, end: 60 },
  ]);
  tail.settle(2);
  expect(tail.ranges()).toEqual([{ start: 50, end: 60 }]);
  tail.settle(1); // never backwards
  tail.settle(3);
  expect([tail.ranges(), tail.lastSeq, tail.settledSeq]).toEqual([[], 3, 3]);
});

test('tail, leaves out a write that is stable already', () => {
  const tail = new WriteTail();
  tail.settle(5);
  tail.add(5, 0, 10);
  expect(tail.ranges()).toEqual([]);
});

test('tail, is inherited until the next instance has made the copies equal', () => {
  const tail = new WriteTail();
  tail.settle(7);
  tail.add(8, 0, 10);
  tail.beginInstance();
  tail.add(9, 20, 30);
  tail.settle(0);
  tail.beginInstance(); // the second one died while it equalised
  expect([tail.settledSeq, tail.ranges()]).toEqual([
    -1,
    [
      { start: 0, end: 10 },
      { start: 20, end: 30 },
    ],
  ]);
  tail.settle(12);
  expect([tail.ranges(), tail.settledSeq]).toEqual([[], 12]);
});

test('tail, settles all that it was told itself, but not what it inherited, when it is cleared', () => {
  const tail = new WriteTail();
  tail.add(4, 0, 10);
  tail.noteSeq(6);
  tail.clear();
  expect([tail.ranges(), tail.settledSeq]).toEqual([[], 6]);
  tail.add(7, 20, 30);
  tail.beginInstance();
  tail.clear();
  expect([tail.ranges(), tail.settledSeq]).toEqual([[{ start: 20, end: 30 }], -1]);
});

test('tail, is joined where ranges lie closest, beyond what a welcome carries', () => {
  const tail = new WriteTail();
  for (let seq = 1; seq <= MAX_TAIL_RANGES; seq += 1) tail.add(seq, seq * 20, seq * 20 + 10);
  const all = tail.ranges();
  expect(all).toHaveLength(MAX_TAIL_RANGES);
  tail.add(MAX_TAIL_RANGES + 1, 0, 15);
  const joined = tail.ranges();
  expect(joined).toHaveLength(MAX_TAIL_RANGES);
  expect(joined[0]).toEqual({ start: 0, end: 30 });
  tail.beginInstance();
  expect(tail.ranges()).toEqual(joined);
});

test('tail, forgets no byte before its time, when a controller never confirms', () => {
  const tail = new WriteTail();
  const spots = Array.from({ length: MAX_TAIL_ENTRIES + 1 }, (_, seq) => (seq * 7919) % 100_003);
  for (const [index, spot] of spots.entries()) tail.add(index + 1, spot * 10, spot * 10 + 4);
  expect(tail.length).toBeLessThanOrEqual(MAX_TAIL_RANGES + 1);
  const ranges = tail.ranges();
  const written = spots.map((spot) => ({ start: spot * 10, end: spot * 10 + 4 }));
  expect(mergeRanges([...ranges, ...written])).toEqual(ranges);
  tail.settle(MAX_TAIL_ENTRIES - 1); // the oldest went in with the youngest of its time
  expect(tail.ranges()).toEqual(ranges);
  tail.settle(MAX_TAIL_ENTRIES + 1);
  expect(tail.ranges()).toEqual([]);
});

test('tail, forgets in order and stays short, over a long run', () => {
  const tail = new WriteTail();
  for (let seq = 1; seq <= 100_000; seq += 1) {
    tail.add(seq, seq, seq + 1);
    tail.settle(seq - 32);
    if (tail.length > 32) throw new Error(`length ${tail.length} at seq ${seq}`);
  }
  expect(tail.ranges()).toEqual([{ start: 99_969, end: 100_001 }]);
});
