import { DISRUPTION_BUDGETS, VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';
import { type OperatorStage, pass, useStage } from './support/operator-stage.ts';

let stage: OperatorStage;

useStage((made) => {
  stage = made;
});

function budgets(): unknown[] {
  return stage.kube.list(DISRUPTION_BUDGETS).map(({ spec }) => spec?.maxUnavailable);
}

function calls(): string[] {
  return stage.client.calls.filter((call) => call.includes('poddisruptionbudgets'));
}

/** A controller has struck a copy off. */
async function lose(name: string): Promise<void> {
  const address = `shop/${name}`;
  const { membership, secret } = stage.installation.registry.require(address);
  const [[replicaId = '', copy] = []] = Object.entries(membership.copies);
  if (copy === undefined) throw new Error(`expected a copy of ${address}`);
  const copies = { ...membership.copies, [replicaId]: { ...copy, state: 'syncing' as const } };
  const { version, generation } = membership;
  const next = { ...membership, copies, version: version + 1, generation: generation + 1 };
  expect(await stage.installation.changeMembership(address, secret, next)).toMatchObject({
    ok: true,
  });
  await pass(1_000);
}

test('one copy may go while all are in sync, none while one is missing, and none that is the only one', async () => {
  await stage.apply('data', { replicas: 2 });
  await stage.serve('data');
  await pass(1_000);
  expect(budgets()).toEqual([1]);
  expect(stage.kube.list(DISRUPTION_BUDGETS)[0]).toMatchObject({
    metadata: { namespace: 'keelson-system' },
    spec: { selector: { matchLabels: { 'keelson.io/role': 'replica' } } },
  });
  await lose('data');
  expect(budgets()).toEqual([0]);
  await stage.apply('single', { replicas: 0 });
  await stage.serve('single');
  await pass(1_000);
  expect(budgets()).toEqual([0, 0]);
});

test('a volume that is deleted takes its budget with it, also while nobody leads', async () => {
  for (const name of ['one', 'other']) {
    await stage.apply(name, { replicas: 1 });
    await stage.serve(name);
  }
  await pass(1_000);
  expect(budgets()).toEqual([1, 1]);
  stage.kube.remove(VOLUMES, { namespace: 'shop', name: 'one' });
  await pass(10_000);
  expect(budgets()).toEqual([1]);
  const [left] = stage.kube.list(DISRUPTION_BUDGETS);
  await stage.follow();
  const labels = { ...left?.metadata.labels, 'keelson.io/volume': 'gone' };
  stage.kube.put(DISRUPTION_BUDGETS, {
    ...left,
    metadata: { ...left?.metadata, name: 'v-gone-12345678', labels },
  });
  await stage.lead();
  expect(stage.kube.list(DISRUPTION_BUDGETS).map(({ metadata }) => metadata.name)).toEqual([
    left?.metadata.name,
  ]);
});

test('many volumes that lose a copy at once are no storm', async () => {
  for (let index = 0; index < 40; index += 1) {
    stage.kube.create(DISRUPTION_BUDGETS, {
      metadata: {
        ...{ namespace: 'keelson-system', name: `v-v${index}-12345678` },
        labels: {
          'app.kubernetes.io/managed-by': 'keelson',
          ...{ 'keelson.io/volume-namespace': 'shop', 'keelson.io/volume': `v${index}` },
        },
      },
    });
  }
  await stage.follow();
  const { length } = calls();
  await stage.lead();
  const after3s = calls().length - length;
  expect(after3s).toBeGreaterThan(20);
  expect(after3s).toBeLessThanOrEqual(31);
  await pass(3_000);
  expect(budgets()).toEqual([]);
});

test.each([
  { title: 'an older cluster has them under another name', refusals: 1, wanted: [1] },
  { title: 'a cluster that has none is served without', refusals: 2, wanted: [] },
])('$title', async ({ refusals, wanted }) => {
  await stage.follow();
  let left = refusals;
  stage.client.refuse = (call) => {
    if (call !== 'list poddisruptionbudgets' || left === 0) return undefined;
    left -= 1;
    return { code: 'NOT_FOUND', message: 'the server could not find the requested resource' };
  };
  await stage.lead();
  await stage.apply('data', { replicas: 1 });
  await stage.serve('data');
  await pass(1_000);
  expect(left).toBe(0);
  expect(budgets()).toEqual(wanted);
  expect(stage.condition('data')).toMatch(/^True Accepted/);
});
