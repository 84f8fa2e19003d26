import { type Mutation, Mutations } from '../../../../controller/volume/mutations.ts';

function make() {
  const mutations = new Mutations();
  const add = (start = 0, end = 4096): Mutation => {
    const mutation: Mutation = {
      ...{ seq: mutations.nextSeq(), operation: { kind: 'flush' }, start, end, request: undefined },
      ...{ pending: 1, sentMs: 0, failure: undefined, isStable: false },
    };
    mutations.add(mutation);
    return mutation;
  };
  return { mutations, add };
}

describe('mutations', () => {
  test('are numbered above everything an earlier controller used', () => {
    const { mutations, add } = make();
    mutations.continueAfter(40);
    mutations.continueAfter(7);
    expect(add().seq).toBe(41);
    expect(() => mutations.continueAfter(50)).toThrow('before the first');
  });

  test('declare nothing stable before the copies are identical (I6)', () => {
    const { mutations, add } = make();
    mutations.markStable(add());
    expect(mutations.stableSeq).toBe(0);
    mutations.declareEqualised();
    expect(mutations.stableSeq).toBeGreaterThan(0);
  });

  test('are stable up to the first that a copy has not answered', () => {
    const { mutations, add } = make();
    mutations.declareEqualised();
    const [first, second, third] = [add(), add(), add()];
    mutations.markStable(second);
    expect(mutations.stableSeq).toBe(first.seq - 1);
    mutations.markStable(first);
    expect(mutations.stableSeq).toBe(third.seq - 1);
    mutations.markStable(third);
    expect(mutations.stableSeq).toBe(third.seq);
  });

  test('hold back reads that overlap one of them, and no others, until it is stable', () => {
    const { mutations, add } = make();
    const write = add(4096, 8192);
    const overlaps = () =>
      [
        [0, 4096],
        [0, 4097],
        [8191, 9000],
        [8192, 9000],
      ].map(([start, end]) => mutations.hasUnstableOverlap(start!, end!));
    expect(overlaps()).toEqual([false, true, true, false]);
    mutations.markStable(write);
    expect(overlaps()).toEqual([false, false, false, false]);
  });

  test('are forgotten only when every copy has answered', () => {
    const { mutations, add } = make();
    const write = add();
    mutations.markStable(write);
    expect(() => mutations.remove(write)).toThrow('forgotten');
    write.pending = 0;
    mutations.remove(write);
    expect([mutations.size, mutations.get(write.seq)]).toEqual([0, undefined]);
  });

  test('keep their order and their prefix over many, answered in any order', () => {
    const { mutations, add } = make();
    mutations.declareEqualised();
    const all = Array.from({ length: 5_000 }, () => add());
    for (const mutation of all.filter(({ seq }) => seq % 2 === 0)) mutations.markStable(mutation);
    for (const mutation of all.filter(({ seq }) => seq % 2 === 1)) mutations.markStable(mutation);
    expect(mutations.stableSeq).toBe(all.at(-1)!.seq);
    expect([...mutations.values()].map(({ seq }) => seq)).toEqual(all.map(({ seq }) => seq));
  });
});
