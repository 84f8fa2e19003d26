import { SECRETS } from '../../../../../orchestrator/kubernetes/resources.ts';
import type { FakeKube } from '../../support/fake-kube.ts';
import {
  admitAll,
  contentOf,
  type KubePod,
  makeCluster,
  openPod,
} from '../../support/kube-installation.ts';
import { makeOperations, type Operation } from '../../support/kube-operations.ts';

/**
 * A crash after every write of every change: nothing that was acknowledged is lost, nothing half-made is
 * served, and whoever comes next can finish it or do it again.
 */
describe.each(makeOperations('default'))('$name', (operation) => {
  test('writes what a fresh store reads back', async () => {
    const { kube, pod } = await begin(operation);
    await operation.run(pod.registry);
    const fresh = await openPod(kube);
    expect(stateOf(fresh)).toEqual(stateOf(pod));
  });

  test.each(['before', 'after'] as const)(
    'loses nothing and ends well when it crashes %s any of its writes',
    async (moment) => {
      const whole = await begin(operation);
      const calls = whole.pod.client.calls.length;
      await operation.run(whole.pod.registry);
      const count = whole.pod.client.calls.length - calls;
      expect(count).toBeGreaterThan(0);
      await admitAll(await openPod(whole.kube), whole.kube);
      for (let failing = 1; failing <= count; failing += 1) {
        const { kube, pod } = await begin(operation);
        const acknowledged = contentOf(kube);
        crashAt(pod, { failing, moment });
        const error = await operation.run(pod.registry).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        const fresh = await openPod(kube);
        checkWhole(fresh, kube);
        if (error === undefined) {
          // Only what was tidied up is missing.
          expect(stateOf(fresh)).toMatchObject({ volumes: stateOf(pod).volumes });
        } else expect(error).toMatchObject({ code: 'UNAVAILABLE' });
        if (moment === 'before' && failing === 1) expect(contentOf(kube)).toEqual(acknowledged);
        await admitAll(fresh, kube);
        await (operation.retry ?? operation.run)(fresh.registry).catch((thrown: unknown) => {
          expect(thrown).toMatchObject({ code: 'NOT_FOUND' }); // it was removed already
        });
        await admitAll(fresh, kube);
        expect(withoutOldChap(contentOf(kube))).toEqual(withoutOldChap(contentOf(whole.kube)));
      }
    },
  );
});

async function begin({ prepare }: Operation): Promise<{ kube: FakeKube; pod: KubePod }> {
  const kube = makeCluster();
  const first = await openPod(kube);
  await prepare?.(first.registry, kube.client());
  return { kube, pod: await openPod(kube) };
}

/** From then on the pod is dead: its calls reach nobody. */
function crashAt({ client }: KubePod, at: { failing: number; moment: 'before' | 'after' }): void {
  const first = client.calls.length;
  client.plan = (_, number) => {
    if (number - first > at.failing) return 'before';
    return number - first === at.failing ? at.moment : undefined;
  };
}

function stateOf({ store }: KubePod) {
  const { state } = store;
  return { ...state, volumes: Object.fromEntries(state.volumes) };
}

/** Nothing that is served is damaged, and every volume has its Secret. */
function checkWhole({ store }: KubePod, kube: FakeKube): void {
  expect([...store.state.faults.values()].filter(({ kind }) => kind === 'damaged')).toEqual([]);
  const secrets = kube.list(SECRETS).map(({ data }) => data?.secret);
  for (const record of store.state.volumes.values()) {
    expect(secrets).toContain(Buffer.from(record.secret).toString('base64'));
    for (const { name } of record.chap?.users ?? []) expect(name).not.toBe('lost');
  }
}

/** Credentials that no record names may be left over until the next change of them. */
function withoutOldChap(content: unknown): unknown {
  const { secrets, ...rest } = content as { secrets: { volume: string; keys: string[] }[] };
  return { ...rest, secrets: secrets.map(({ volume }) => volume) };
}
