import { RangeLocks } from '../../../../controller/core/range-locks.ts';
import { type ByteRange, overlaps } from '../../../../replica/common/ranges.ts';
import { SeededRandom } from '../../../support/random.ts';

const range = (start: number, end: number): ByteRange[] => [{ start, end }];

describe('range locks', () => {
  test('are idle until somebody holds one, and again when it is given back', () => {
    const locks = new RangeLocks<number>(() => false);
    expect(locks.isIdle).toBe(true);
    expect(locks.lock(1, range(0, 10))).toBe(true);
    expect(locks.isIdle).toBe(false);
    locks.unlock(1);
    expect(locks.isIdle).toBe(true);
    expect(() => locks.unlock(1)).toThrow('held');
  });

  test('touching ranges are not common ones', () => {
    const locks = new RangeLocks<number>(() => false);
    locks.lock(1, range(0, 10));
    expect(locks.lock(2, range(10, 20))).toBe(true);
    expect(locks.change(3, range(20, 21))).toBe(true);
    expect(locks.change(4, range(9, 10))).toBe(false);
  });

  test('what came first goes first, also past a lock that still waits', () => {
    const locks = new RangeLocks<number>(() => false);
    locks.lock(1, range(0, 10));
    expect(locks.lock(2, range(5, 20))).toBe(false);
    expect(locks.change(3, range(15, 16))).toBe(false);
    expect(locks.change(4, range(30, 31))).toBe(true);
    locks.unlock(1);
    expect(locks.takeReady()).toBe(2);
    expect(locks.takeReady()).toBeUndefined();
    locks.unlock(2);
    expect([locks.takeReady(), locks.isIdle]).toEqual([3, true]);
  });

  test("one who stops waiting is in nobody's way any more", () => {
    const locks = new RangeLocks<number>(() => false);
    locks.lock(1, range(0, 10));
    locks.lock(2, range(0, 20));
    locks.change(3, range(12, 13));
    expect([locks.stopWaiting(2), locks.stopWaiting(2)]).toEqual([true, false]);
    expect(locks.takeReady()).toBe(3);
  });

  test('a lock waits for changes under way, a change does not', () => {
    let isChanging = true;
    const locks = new RangeLocks<number>(() => isChanging);
    expect(locks.change(1, range(0, 10))).toBe(true);
    expect(locks.lock(2, range(0, 10))).toBe(false);
    expect(locks.takeReady()).toBeUndefined();
    isChanging = false;
    expect(locks.takeReady()).toBe(2);
  });

  test('never two owners of a byte, and nobody waits for ever, in random order', () => {
    const seed = 20261121;
    console.info(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const changing = new Map<number, ByteRange[]>();
    const held = new Map<number, ByteRange[]>();
    const wanted = new Map<number, { ranges: ByteRange[]; isLock: boolean }>();
    const haveCommon = (some: ByteRange[], others: ByteRange[]) =>
      some.some((one) => others.some((other) => overlaps(one, other)));
    const locks = new RangeLocks<number>((ranges) =>
      [...changing.values()].some((other) => haveCommon([...ranges], other)),
    );
    const begin = (owner: number) => {
      const { ranges, isLock } = wanted.get(owner)!;
      wanted.delete(owner);
      const others = isLock ? [...held.values(), ...changing.values()] : [...held.values()];
      if (others.some((other) => haveCommon(ranges, other))) throw new Error(`owner ${owner}`);
      (isLock ? held : changing).set(owner, ranges);
    };
    const endOne = () => {
      const owners = [...held.keys(), ...changing.keys()];
      const owner = owners[random.below(owners.length)]!;
      if (held.delete(owner)) locks.unlock(owner);
      changing.delete(owner);
      for (let next = locks.takeReady(); next !== undefined; next = locks.takeReady()) begin(next);
    };
    for (let owner = 1; owner <= 500; owner += 1) {
      const starts = [random.below(64), random.below(64)];
      const ranges = starts.map((start) => ({ start, end: start + 1 + random.below(4) }));
      const isLock = random.below(3) === 0;
      wanted.set(owner, { ranges, isLock });
      if (isLock ? locks.lock(owner, ranges) : locks.change(owner, ranges)) begin(owner);
      while (held.size + changing.size > 12) endOne();
    }
    while (held.size + changing.size > 0) endOne();
    expect([wanted.size, locks.isIdle]).toEqual([0, true]);
  });
});
