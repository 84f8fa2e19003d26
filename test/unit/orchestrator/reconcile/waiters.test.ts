import { Waiters } from '../../../../orchestrator/reconcile/waiters.ts';

const FOREVER_MS = 60_000;

test('waiters hear of their own key alone, and of one thing once', async () => {
  const waiters = new Waiters();
  const [first, second, other] = ['a', 'a', 'b'].map((key) => waiters.wait(key, FOREVER_MS));
  waiters.resolve('a');
  expect(await Promise.all([first, second])).toEqual([true, true]);
  expect([waiters.countOf('a'), waiters.countOf('b')]).toEqual([0, 1]);
  waiters.close();
  expect(await other).toBe(false);
});

test('waiters are no longer counted when they gave up, or their time is over', async () => {
  const waiters = new Waiters();
  const caller = new AbortController();
  const waits = [waiters.wait('a', FOREVER_MS, caller.signal), waiters.wait('a', 1)];
  expect(waiters.countOf('a')).toBe(2);
  caller.abort();
  expect(await Promise.all(waits)).toEqual([false, false]);
  expect(waiters.countOf('a')).toBe(0);
  expect(await waiters.wait('a', FOREVER_MS, caller.signal)).toBe(false);
});

test('waiters are sent away once everything has ended', async () => {
  const waiters = new Waiters();
  waiters.close();
  expect(await waiters.wait('a', FOREVER_MS)).toBe(false);
});
