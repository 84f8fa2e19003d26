import { REGISTRATION_POLL_MS } from '../../../../controller/protocol/registration.ts';
import { EventLog } from '../../../../orchestrator/events/event-log.ts';
import { Installation } from '../../../../orchestrator/installation/installation.ts';
import { VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';
import { planByHost } from '../../../../orchestrator/model/address-plan.ts';
import type { Platform } from '../../../../orchestrator/platforms/platform.ts';
import type { FakeKube } from '../support/fake-kube.ts';
import {
  type KubePod,
  makeCluster,
  NONE,
  openPod,
  request,
  settle,
} from '../support/kube-installation.ts';

/** A controller that asks whichever of two orchestrators, of which one has not seen all yet. */

const A = 'default/a';

let kube: FakeKube;
let early: KubePod;
let late: KubePod;
let installation: Installation;
let secret = '';

beforeEach(async () => {
  kube = makeCluster();
  early = await openPod(kube);
  secret = (await early.registry.create(request('a'), NONE)).secret;
  late = await openPod(kube);
  installation = new Installation({
    registry: late.registry,
    events: new EventLog(() => new Date(0)),
    makePlatform: () => IDLE,
    fetchStatus: async () => undefined,
    replaceAfterMs: 0,
  });
});
afterEach(() => jest.useRealTimers());

const IDLE: Platform = {
  name: 'kubernetes',
  addresses: planByHost({ controller: () => '10.0.0.1', replica: () => '10.0.0.2' }),
  observe: () => [],
  observeNodes: () => [],
  start: () => undefined,
  stop: async () => undefined,
  eraseCopy: async () => undefined,
  erase: async () => [],
  close: async () => undefined,
  kill: () => undefined,
};

function askAfter(after: number) {
  return installation.registration(A, secret, { after, givenUp: new AbortController().signal });
}

test('a registration is what was stored before it was asked for, through whichever orchestrator', async () => {
  late.client.hold(true);
  await early.registry.addGoneInstance(A, 'i1');
  expect(late.registry.require(A).revision).toBe(1);
  expect((await installation.registration(A, secret)).revision).toBe(2);
});

test('a controller that knows more than the orchestrator it asks is not told less, and waits', async () => {
  late.client.hold(true);
  await early.registry.addGoneInstance(A, 'i1');
  await early.registry.addGoneInstance(A, 'i2');
  let revision = 0;
  const asked = askAfter(2).then((registration) => {
    revision = registration.revision;
  });
  await settle();
  expect(revision).toBe(0);
  late.client.hold(false);
  await asked;
  expect(revision).toBe(3);
});

test('a controller is never told an earlier registration, even when nothing is seen for a minute', async () => {
  late.client.hold(true);
  await early.registry.addGoneInstance(A, 'i1');
  jest.useFakeTimers({ doNotFake: ['performance', 'queueMicrotask', 'nextTick'] });
  const asked = askAfter(2);
  await jest.advanceTimersByTimeAsync(REGISTRATION_POLL_MS);
  expect((await asked).revision).toBe(2);
});

test('a wait that ends without a change asks nobody: what is known is answered', async () => {
  jest.useFakeTimers({ doNotFake: ['performance', 'queueMicrotask', 'nextTick'] });
  const reads = late.client.reads.length;
  const asked = askAfter(1);
  await jest.advanceTimersByTimeAsync(REGISTRATION_POLL_MS);
  expect((await asked).revision).toBe(1);
  expect(late.client.reads.length).toBe(reads);
});

test('what is declared becomes a volume once, and that is told once', async () => {
  const { events } = installation;
  const object = { metadata: { namespace: 'default', name: 'b' }, spec: {} };
  await kube.client().create(VOLUMES, object);
  await settle();
  const [record, again] = await Promise.all([
    installation.admit(request('b')),
    installation.admit(request('b')),
  ]);
  expect(again).toBe(record);
  expect(events.since(0).map(({ volume, message }) => [volume, message])).toEqual([
    ['default/b', 'created'],
  ]);
});
