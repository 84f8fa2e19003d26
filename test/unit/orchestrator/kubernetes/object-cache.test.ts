import { ObjectCache } from '../../../../orchestrator/kubernetes/object-cache.ts';
import type { AnyObject, ConfigMap } from '../../../../orchestrator/kubernetes/objects.ts';
import { SeededRandom } from '../../../support/random.ts';

function object(name: string, version: number, uid = `uid-${name}`): ConfigMap {
  const metadata = { namespace: 'demo', name, uid, resourceVersion: `${version}` };
  return { metadata, data: { value: `${version}` } };
}

const A = { namespace: 'demo', name: 'a' };

test('a change is told once per version, with what was before', () => {
  const cache = new ObjectCache<ConfigMap>();
  const first = object('a', 5);
  expect(cache.put(first)).toEqual({ before: undefined, after: first });
  expect(cache.put(object('a', 5))).toBeUndefined();
  const second = object('a', 7);
  expect(cache.put(second)).toEqual({ before: first, after: second });
  expect(cache.putGone(object('a', 8))).toEqual({ before: second, after: undefined });
  expect(cache.putGone(object('a', 8))).toBeUndefined();
});

test('an older version changes nothing, be it of an earlier object of that name', () => {
  const cache = new ObjectCache<ConfigMap>();
  cache.put(object('a', 10));
  expect(cache.put(object('a', 9))).toBeUndefined();
  expect(cache.put(object('a', 8, 'uid-earlier'))).toBeUndefined();
  expect(cache.putGone(object('a', 9, 'uid-earlier'))).toBeUndefined();
  expect(cache.get(A)?.metadata.resourceVersion).toBe('10');
});

test('versions that are no numbers are taken as they come', () => {
  const cache = new ObjectCache<ConfigMap>();
  const odd = (version: string): ConfigMap => {
    const made = object('a', 1);
    return { ...made, metadata: { ...made.metadata, resourceVersion: version } };
  };
  cache.put(odd('b'));
  expect(cache.put(odd('a'))).toBeDefined();
  expect(cache.put(odd('a'))).toBeUndefined();
});

test('what is gone does not come back by an answer that was on its way', () => {
  const cache = new ObjectCache<ConfigMap>();
  cache.put(object('a', 5));
  cache.putGone(object('a', 9));
  expect(cache.put(object('a', 8))).toBeUndefined();
  expect(cache.put(object('a', 10, 'uid-next'))).toBeDefined();
});

test('one that is noted as gone is, unless it is another one of that name', () => {
  const cache = new ObjectCache<ConfigMap>();
  const held = object('a', 5);
  cache.put(held);
  expect(cache.noteGone(A, 'uid-other')).toBeUndefined();
  expect(cache.noteGone(A, 'uid-a')).toEqual({ before: held, after: undefined });
  expect(cache.put(object('a', 6))).toBeUndefined();
  expect(cache.all()).toEqual([]);
});

test('a list keeps what was noted since it was asked for, and drops what is gone', () => {
  const cache = new ObjectCache<ConfigMap>();
  cache.put(object('a', 5));
  cache.put(object('b', 6));
  cache.put(object('c', 7));
  const list = cache.beginList();
  cache.put(object('a', 21));
  cache.put(object('new', 22));
  cache.noteGone({ namespace: 'demo', name: 'c' });
  const listed = [object('a', 5), object('c', 7), object('d', 19)];
  const changes = cache.take(
    { objects: listed, resourceVersion: '20' },
    { list, isPutBack: false },
  );
  expect(changes.map(({ before, after }) => (after ?? before)?.metadata.name)).toEqual(['b', 'd']);
  const left = cache.all().map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`);
  expect(left.sort()).toEqual(['a 21', 'd 19', 'new 22']);
});

test('a list that was asked for later knows better than whoever said that one is gone', () => {
  const cache = new ObjectCache<ConfigMap>();
  cache.put(object('a', 5));
  cache.noteGone(A);
  const list = cache.beginList();
  cache.take({ objects: [object('a', 5)], resourceVersion: '20' }, { list, isPutBack: false });
  expect(cache.get(A)).toBeDefined();
});

test('a server that was put back is believed, older versions and all', () => {
  const cache = new ObjectCache<ConfigMap>();
  cache.put(object('a', 50));
  cache.put(object('b', 60));
  const list = cache.beginList();
  const listed = { objects: [object('a', 30)], resourceVersion: '31' };
  expect(cache.take(listed, { list, isPutBack: true })).toHaveLength(2);
  expect(cache.all().map(({ metadata }) => metadata.resourceVersion)).toEqual(['30']);
});

test('what it gives out cannot be changed', () => {
  const cache = new ObjectCache<ConfigMap>();
  cache.put(object('a', 5));
  const held = cache.get(A);
  expect(() => Object.assign(held?.metadata ?? {}, { name: 'b' })).toThrow(TypeError);
  expect(() => (cache.all() as ConfigMap[]).push(object('b', 1))).toThrow(TypeError);
});

test('an object that goes deep is taken as well', () => {
  const cache = new ObjectCache<AnyObject>();
  const innermost: unknown[] = [];
  let deep = innermost;
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  cache.put({ ...object('a', 5), data: { nothing: undefined, deep } });
  expect(Object.isFrozen(innermost)).toBe(true);
});

test('in whatever order news and answers come, nobody sees a version go back', () => {
  const random = new SeededRandom(20261121);
  for (let round = 0; round < 300; round += 1) {
    const cache = new ObjectCache<ConfigMap>();
    // A life of one name: made, changed, removed, made again.
    const history: { readonly object: ConfigMap; readonly isGone: boolean }[] = [];
    let uid = 0;
    for (let version = 1; version <= 12; version += 1) {
      const isGone = version > 1 && random.chance(0.25) && history.at(-1)?.isGone === false;
      if (history.at(-1)?.isGone !== false) uid += 1;
      history.push({ object: object('a', version, `uid-${uid}`), isGone });
    }
    // The watch tells in order; answers to calls come at any time from when they happened on.
    const answers = history.filter(({ isGone }) => !isGone && random.chance(0.6));
    const late = answers.map((answer) => ({ answer, at: random.below(history.length + 1) }));
    const seen: number[] = [];
    const take = (change: ReturnType<typeof cache.put>) => {
      if (change?.after !== undefined) seen.push(Number(change.after.metadata.resourceVersion));
    };
    history.forEach(({ object: told, isGone }, index) => {
      for (const { answer, at } of late) if (at === index) take(cache.put(answer.object));
      take(isGone ? cache.putGone(told) : cache.put(told));
    });
    for (const { answer, at } of late) if (at === history.length) take(cache.put(answer.object));
    expect({ seed: random.seed, round, seen }).toEqual({
      ...{ seed: random.seed, round },
      seen: seen.toSorted((a, b) => a - b),
    });
    const last = history.at(-1);
    const expected = last?.isGone ? undefined : last?.object.metadata.resourceVersion;
    expect(cache.get(A)?.metadata.resourceVersion).toBe(expected);
  }
});
