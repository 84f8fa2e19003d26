import { Oracle, type WriteHandle } from '../../chaos/oracle.ts';

const BLOCK = { first: 0, count: 1 };
let oracle: Oracle;

beforeEach(() => {
  oracle = new Oracle(1);
});

function begin(): { stamp: number } & WriteHandle {
  const stamp = oracle.nextStamp();
  return { stamp, ...oracle.beginWrite(stamp, BLOCK) };
}

function written(): number {
  const write = begin();
  write.acknowledge();
  return write.stamp;
}

function read(stamp: number): string | undefined {
  return oracle.beginRead(BLOCK).end([stamp]);
}

test('the oracle accepts the last write that was acknowledged and nothing before it', () => {
  const first = written();
  const second = written();
  expect(read(second)).toBeUndefined();
  expect(read(first)).toContain('which was overwritten');
  expect(read(0)).toContain('which was overwritten');
  expect(read(99)).toContain('which was never written');
});

test('the oracle lets a write without an answer have happened or not until a read has shown it', () => {
  const first = written();
  const lost = begin();
  expect(read(first)).toBeUndefined();
  expect(read(lost.stamp)).toBeUndefined();
  expect(read(first)).toContain('neither can have come last');
});

test('the oracle lets a write without an answer come after a later one that was acknowledged', () => {
  const lost = begin();
  const second = written();
  expect(read(second)).toBeUndefined();
  expect(read(lost.stamp)).toBeUndefined();
  expect(read(second)).toContain('neither can have come last');
});

test('the oracle forbids an attempt that shows up after its repetition was acknowledged', () => {
  const first = begin();
  const again = begin();
  again.acknowledge();
  first.supersede();
  expect(read(again.stamp)).toBeUndefined();
  expect(read(first.stamp)).toContain('overwritten');
});

test('the oracle lets a read that overlaps a write show either side, and then only one order', () => {
  const before = written();
  const reads = [0, 1].map(() => oracle.beginRead(BLOCK));
  const write = begin();
  expect(reads[0]?.end([write.stamp])).toBeUndefined();
  write.acknowledge();
  expect(reads[1]?.end([before])).toBeUndefined();
  expect(read(write.stamp)).toBeUndefined();
  expect(read(before)).toContain('overwritten');
});

test('the oracle sees a read go back although both writes are still without an answer', () => {
  const [one, two] = [begin(), begin()];
  expect(read(one.stamp)).toBeUndefined();
  expect(read(two.stamp)).toBeUndefined();
  expect(read(one.stamp)).toContain('neither can have come last');
});

test('the oracle keeps what a long read may still show, and forgets it afterwards', () => {
  const before = written();
  const long = oracle.beginRead(BLOCK);
  written();
  const last = written();
  expect(long.end([before])).toBeUndefined();
  expect(read(before)).toContain('overwritten');
  expect(read(last)).toBeUndefined();
});

test('the oracle takes zeros for the last value of a trimmed range', () => {
  const before = written();
  oracle.clear(BLOCK);
  expect(read(0)).toBeUndefined();
  expect(read(before)).toContain('overwritten');
});
