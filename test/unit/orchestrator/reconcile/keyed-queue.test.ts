import { KeyedQueue } from '../../../../orchestrator/reconcile/keyed-queue.ts';

afterEach(() => jest.useRealTimers());

test('a keyed queue starts the work of a new key within the call', () => {
  const keys: string[] = [];
  const queue = new KeyedQueue(async (key) => {
    keys.push(key);
    return undefined;
  }, fail);
  queue.add('a');
  expect(keys).toEqual(['a']);
});

test('a keyed queue does one key once more, however often it was added meanwhile', async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let runs = 0;
  const queue = new KeyedQueue(async () => {
    runs += 1;
    await gates[runs - 1]?.promise;
    return undefined;
  }, fail);
  for (let count = 0; count < 5; count += 1) queue.add('a');
  expect(runs).toBe(1);
  gates[0]?.resolve();
  await Promise.resolve().then(() => undefined);
  await new Promise(setImmediate);
  expect(runs).toBe(2);
  gates[1]?.resolve();
  await new Promise(setImmediate);
  expect(runs).toBe(2);
});

test('a keyed queue tries again after an error, and reports it', async () => {
  jest.useFakeTimers({ doNotFake: ['performance', 'setImmediate'] });
  const errors: unknown[] = [];
  let runs = 0;
  const queue = new KeyedQueue(
    async () => {
      runs += 1;
      if (runs === 1) throw new Error('no');
      return undefined;
    },
    (_, error) => errors.push(error),
  );
  queue.add('a');
  await new Promise(setImmediate);
  expect(errors).toEqual([new Error('no')]);
  jest.advanceTimersByTime(2_000);
  expect(runs).toBe(2);
});

test('a keyed queue starts nothing after it was closed', () => {
  let runs = 0;
  const queue = new KeyedQueue(async () => {
    runs += 1;
    return undefined;
  }, fail);
  queue.close();
  queue.add('a');
  expect(runs).toBe(0);
});

function fail(key: string, error: unknown): void {
  throw new Error(`${key} failed: ${String(error)}`);
}
