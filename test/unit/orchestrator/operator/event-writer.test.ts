import type { AnyObject, Metadata } from '../../../../orchestrator/kubernetes/objects.ts';
import { EVENTS, VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';
import { EventWriter } from '../../../../orchestrator/operator/event-writer.ts';
import { type FakeClient, FakeKube } from '../support/fake-kube.ts';
import { silentLog } from './support/silent-log.ts';

const DEMO = aboutVolume({ namespace: 'default', name: 'demo', uid: 'uid-1' });
const EXITED = { type: 'Warning', reason: 'ControllerExited', message: 'it exited' } as const;

let kube: FakeKube;
let client: FakeClient;
let writer: EventWriter;

beforeEach(() => {
  jest.useFakeTimers({ now: new Date('2026-11-21T12:00:00Z') });
  kube = new FakeKube();
  client = kube.client();
  writer = makeWriter(client);
});

afterEach(async () => {
  await writer.close();
  jest.useRealTimers();
});

describe('an event about a volume', () => {
  test('has all that kubectl shows', async () => {
    writer.tell(DEMO, EXITED);
    await passSeconds(1);
    expect(events()).toMatchObject([
      {
        metadata: { namespace: 'default', name: expect.stringMatching(/^demo\.[0-9a-f]{16}$/) },
        involvedObject: {
          ...{ apiVersion: 'keelson.io/v1alpha1', kind: 'Volume' },
          ...{ namespace: 'default', name: 'demo', uid: 'uid-1' },
        },
        ...EXITED,
        ...{ count: 1, source: { component: 'keelson', host: 'pod-1' } },
        firstTimestamp: '2026-11-21T12:00:00.000Z',
        lastTimestamp: '2026-11-21T12:00:00.000Z',
      },
    ]);
  });

  test('counts, when the same is told again', async () => {
    for (let count = 0; count < 3; count += 1) {
      writer.tell(DEMO, EXITED);
      await passSeconds(60);
    }
    expect(events()).toMatchObject([
      {
        count: 3,
        firstTimestamp: '2026-11-21T12:00:00.000Z',
        lastTimestamp: '2026-11-21T12:02:00.000Z',
      },
    ]);
  });

  test('is another one when the same is told much later, or of another volume', async () => {
    writer.tell(DEMO, EXITED);
    writer.tell(aboutVolume({ namespace: 'other', name: 'demo', uid: 'uid-2' }), EXITED);
    await passSeconds(601);
    writer.tell(DEMO, EXITED);
    await passSeconds(1);
    expect(
      events()
        .map(({ metadata }) => metadata.namespace)
        .sort(),
    ).toEqual([...['default', 'default', 'other']]);
  });

  test('is cut where the server would refuse it', async () => {
    writer.tell(DEMO, { ...EXITED, message: 'a'.repeat(3000) });
    await passSeconds(1);
    expect((events()[0] as unknown as { message: string }).message).toHaveLength(1024);
  });
});

describe('many events', () => {
  test('are no storm: five writes a second, and of one volume one every ten seconds', async () => {
    for (let count = 0; count < 100; count += 1) {
      writer.tell(DEMO, { ...EXITED, message: `exit ${count}` });
    }
    await passSeconds(1);
    expect(client.calls.length).toBeLessThanOrEqual(6);
    await passSeconds(19);
    expect(client.calls.length).toBeLessThanOrEqual(28);
    expect(client.calls.length).toBeGreaterThanOrEqual(25);
    await passSeconds(100);
    expect(client.calls.length).toBeLessThanOrEqual(38);
    expect(client.calls.length).toBeGreaterThanOrEqual(35);
    await passSeconds(1000);
    expect(events()).toHaveLength(100);
  });

  test('of one volume do not hold up those of another', async () => {
    for (let count = 0; count < 50; count += 1) {
      writer.tell(DEMO, { ...EXITED, message: `exit ${count}` });
    }
    await passSeconds(30);
    writer.tell(aboutVolume({ namespace: 'other', name: 'quiet', uid: 'uid-2' }), EXITED);
    await passSeconds(1);
    expect(events().filter(({ metadata }) => metadata.namespace === 'other')).toHaveLength(1);
  });
});

test('what would take longer than half a minute to tell is left out, but no warning is', async () => {
  const about = (index: number) =>
    aboutVolume({ namespace: 'many', name: `v${index}`, uid: `${index}` });
  for (let index = 0; index < 100; index += 1) writer.tell(about(index), EXITED);
  for (let index = 0; index < 1_000; index += 1) {
    writer.tell(about(index), { type: 'Normal', reason: 'Created', message: 'created' });
  }
  await passSeconds(31);
  const { length } = client.calls;
  expect(events().filter((event) => 'type' in event && event.type === 'Warning')).toHaveLength(100);
  await passSeconds(300);
  expect(client.calls).toHaveLength(length);
});

describe('a server that takes nothing', () => {
  test('gets an event, once, when it answers again', async () => {
    client.isCutOff = true;
    writer.tell(DEMO, EXITED);
    await passSeconds(30);
    client.isCutOff = false;
    await passSeconds(6);
    expect(events()).toMatchObject([{ count: 1, firstTimestamp: '2026-11-21T12:00:00.000Z' }]);
  });

  test('gets no second one when only its answer was lost', async () => {
    client.plan = (_, number) => (number === 1 ? 'after' : undefined);
    writer.tell(DEMO, EXITED);
    await passSeconds(10);
    expect(events()).toHaveLength(1);
  });

  test('that has forgotten an event gets a new one', async () => {
    writer.tell(DEMO, EXITED);
    await passSeconds(1);
    for (const { metadata } of events()) kube.remove(EVENTS, metadata);
    writer.tell(DEMO, EXITED);
    await passSeconds(1);
    writer.tell(DEMO, EXITED);
    await passSeconds(1);
    expect(events()).toMatchObject([{ count: 3 }]);
  });
});

function makeWriter(api: FakeClient): EventWriter {
  return new EventWriter({ api, podName: 'pod-1', now: () => new Date(), log: silentLog });
}

function aboutVolume(metadata: Metadata) {
  return { resource: VOLUMES, metadata };
}

function events(): AnyObject[] {
  return kube.list(EVENTS);
}

async function passSeconds(seconds: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(seconds * 1000);
}
