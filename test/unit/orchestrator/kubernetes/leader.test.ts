import { LEASE_TIMES, LeaderElection } from '../../../../orchestrator/kubernetes/leader.ts';
import type { Lease } from '../../../../orchestrator/kubernetes/objects.ts';
import { LEASES } from '../../../../orchestrator/kubernetes/resources.ts';
import type { Log } from '../../../../replica/common/log.ts';
import { type FakeClient, FakeKube } from '../support/fake-kube.ts';
import { settle, VirtualTime } from './virtual-time.ts';

const NAME = { namespace: 'keelson-system', name: 'keelson-orchestrator' };
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Candidate {
  readonly election: LeaderElection;
  readonly client: FakeClient;
  /** Who took it from this one. */
  readonly lostTo: string[];
}

let kube: FakeKube;
let time: VirtualTime;
let candidates: Candidate[];
beforeEach(() => {
  kube = new FakeKube();
  time = new VirtualTime();
  candidates = [];
});
afterEach(async () => {
  for (const { election } of candidates) {
    const closed = election.close();
    await time.advance(LEASE_TIMES.attemptMs);
    await closed;
  }
});

function start(candidate: string, { log = silent }: { log?: Log } = {}): Candidate {
  const client = kube.client();
  const lostTo: string[] = [];
  const election = new LeaderElection({
    ...{ api: client, lease: NAME, candidate, log, clock: time },
    onLost: (holder) => lostTo.push(holder),
    now: () => new Date(1_795_000_000_000 + time.nowMs()),
    pause: (delayMs, signal) => time.pause(delayMs, signal),
  });
  const made = { election, client, lostTo };
  candidates.push(made);
  return made;
}

function leaders(): string {
  return candidates.map(({ election }) => (election.isLeading ? 'L' : '.')).join('');
}

function lease(): Lease {
  const found = kube.get(LEASES, NAME);
  if (found === undefined) throw new Error('there is no Lease');
  return found;
}

test('the first one leads at once, the other waits for as long as the first renews', async () => {
  const first = start('one');
  await settle();
  const second = start('two');
  await first.election.whenLeading();
  await time.advance(60_000);
  expect(leaders()).toBe('L.');
  expect(lease().spec).toEqual({
    ...{ holderIdentity: 'one', leaseDurationSeconds: 5, leaseTransitions: 0 },
    acquireTime: '2026-11-18T11:06:40.000000Z',
    renewTime: '2026-11-18T11:07:40.000000Z',
  });
  expect(second.client.calls).toEqual([]);
  expect([first.election.holder, second.election.holder]).toEqual(['one', 'one']);
});

test('one of two that start together leads', async () => {
  start('one');
  start('two');
  await time.advance(30_000);
  expect(leaders()).toMatch(/^(L\.|\.L)$/);
});

test('a leader that has died is followed between 6 and 8 s after its last sign of life', async () => {
  const first = start('one');
  await settle();
  start('two');
  await time.advance(10_000);
  const renewals = first.client.calls.length;
  first.client.isCutOff = true;
  await time.advance(LEASE_TIMES.durationMs - LEASE_TIMES.renewMs);
  expect(leaders()).toBe('L.');
  await time.advance(8_000 - (LEASE_TIMES.durationMs - LEASE_TIMES.renewMs));
  expect(leaders()).toBe('LL');
  expect(first.client.calls).toHaveLength(renewals);
  expect(lease().spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
});

test('a leader that is cut off stays leader until it sees another one, and is told once', async () => {
  const first = start('one');
  await settle();
  start('two');
  first.client.isCutOff = true;
  await time.advance(20_000);
  expect(first.lostTo).toEqual([]);
  expect(first.election.isLeading).toBe(true);
  first.client.isCutOff = false;
  await time.advance(LEASE_TIMES.retryMs);
  expect(first.lostTo).toEqual(['two']);
  expect(leaders()).toBe('.L');
  await time.advance(30_000);
  expect(first.lostTo).toEqual(['two']);
  expect(lease().spec).toMatchObject({ holderIdentity: 'two' });
});

test('a leader that is cut off from everybody together with the others goes on as leader', async () => {
  const first = start('one');
  await settle();
  const second = start('two');
  await time.advance(5_000);
  for (const { client } of [first, second]) client.isCutOff = true;
  await time.advance(60_000);
  // The other one is back first, and sees a Lease that has not changed for a minute.
  second.client.isCutOff = false;
  await time.advance(3_000);
  first.client.isCutOff = false;
  await time.advance(60_000);
  expect(leaders()).toBe('L.');
  expect(first.lostTo).toEqual([]);
});

test('one that is closed lets the next one lead within a second', async () => {
  const first = start('one');
  await settle();
  start('two');
  await time.advance(5_000);
  await first.election.close();
  expect(lease().spec).not.toHaveProperty('holderIdentity');
  await time.advance(LEASE_TIMES.retryMs);
  expect(lease().spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
  expect(first.lostTo).toEqual([]);
});

test('one that is closed does not release what another one has taken meanwhile', async () => {
  const first = start('one');
  await settle();
  const { metadata } = lease();
  kube.replace(LEASES, { metadata, spec: { holderIdentity: 'two', leaseDurationSeconds: 6 } });
  const closed = first.election.close();
  await time.advance(LEASE_TIMES.attemptMs);
  await closed;
  expect(lease().spec).toMatchObject({ holderIdentity: 'two' });
});

test('a candidate that is closed leads no more, and touches nothing', async () => {
  start('one');
  await settle();
  const second = start('two');
  await time.advance(5_000);
  await second.election.close();
  await expect(second.election.whenLeading()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await time.advance(30_000);
  expect(second.client.calls).toEqual([]);
});

test('what the clocks of others say means nothing', async () => {
  const past = '2001-01-01T00:00:00.000000Z';
  const spec = { holderIdentity: 'other', leaseDurationSeconds: 5, renewTime: past };
  kube.put(LEASES, { metadata: NAME, spec });
  start('one');
  await time.advance(LEASE_TIMES.durationMs);
  expect(leaders()).toBe('.');
  await time.advance(2 * LEASE_TIMES.retryMs);
  expect(leaders()).toBe('L');
});

test.each([
  [15, 15_000],
  [0, LEASE_TIMES.durationMs],
  [undefined, LEASE_TIMES.durationMs],
  [1_000_000, LEASE_TIMES.durationMs],
])('a holder has the time that it took, if that is sensible: %p s', async (seconds, waitMs) => {
  const duration = seconds === undefined ? {} : { leaseDurationSeconds: seconds };
  kube.put(LEASES, { metadata: NAME, spec: { holderIdentity: 'other', ...duration } });
  start('one');
  await time.advance(waitMs);
  expect(leaders()).toBe('.');
  await time.advance(2 * LEASE_TIMES.retryMs);
  expect(leaders()).toBe('L');
});

test('a lost answer to taking or renewing it changes nothing', async () => {
  const first = start('one');
  first.client.plan = (_, number) => (number % 2 === 1 ? 'after' : undefined);
  await time.advance(2 * LEASE_TIMES.retryMs);
  expect(leaders()).toBe('L');
  start('two');
  await time.advance(60_000);
  expect(leaders()).toBe('L.');
  expect(first.lostTo).toEqual([]);
});

test('a call that never answers does not cost the lease', async () => {
  const first = start('one');
  await settle();
  start('two');
  let replacements = 0;
  first.client.pause = (call) => {
    if (!call.startsWith('replace')) return Promise.resolve();
    replacements += 1;
    return replacements === 1 ? new Promise(() => undefined) : Promise.resolve();
  };
  await time.advance(60_000);
  expect(replacements).toBeGreaterThan(1);
  expect(leaders()).toBe('L.');
});

test('a Lease that somebody edits or deletes stays with its holder', async () => {
  const first = start('one');
  await settle();
  start('two');
  await time.advance(1_000);
  kube.patch(LEASES, NAME, { metadata: { labels: { a: 'b' } } });
  await time.advance(10_000);
  expect(lease()).toMatchObject({ metadata: { labels: { a: 'b' } } });
  expect(lease().spec).toMatchObject({ holderIdentity: 'one', leaseTransitions: 0 });
  // Whoever is first makes it anew; the other one learns that it has lost.
  kube.remove(LEASES, NAME);
  await time.advance(10_000);
  expect(leaders()).toMatch(/^(L\.|\.L)$/);
  expect(first.lostTo).toEqual(first.election.isLeading ? [] : ['two']);
});

test('what keeps a candidate from leading is logged once, and once when it is over', async () => {
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  const first = start('one', { log: { info: note, warn: note, error: note } });
  first.client.isCutOff = true;
  await time.advance(20_000);
  expect(lines).toEqual(['the lease is out of reach']);
  first.client.isCutOff = false;
  await time.advance(LEASE_TIMES.retryMs);
  expect(lines.slice(1)).toEqual(['leading', 'the lease is within reach again']);
});
