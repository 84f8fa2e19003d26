import { VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';
import { type OperatorStage, pass, useStage } from './support/operator-stage.ts';

let stage: OperatorStage;

useStage((made) => {
  stage = made;
});

function patches(): string[] {
  return stage.client.calls.filter((call) => call.startsWith('patch volumes/status'));
}

describe('a volume of which all is well', () => {
  beforeEach(async () => {
    await stage.apply('data', { replicas: 1 });
    await stage.serve('data');
    await pass(5_000);
  });

  test('costs no call of the API server', async () => {
    expect(stage.volume('data')?.status).toMatchObject({ health: 'healthy', inSync: 2 });
    const [calls, reads] = [stage.client.calls.length, stage.client.reads.length];
    await pass(600_000);
    expect(stage.client.calls.slice(calls)).toEqual([]);
    expect(stage.client.reads.slice(reads)).toEqual([]);
  });

  test('is looked at now and then: a controller that hangs tells nobody', async () => {
    stage.sessions.set('data', null);
    await pass(31_000);
    expect(stage.condition('data', 'Ready')).toMatch(/^False ControllerSilent/);
    stage.sessions.delete('data');
    await pass(3_000);
    expect(stage.condition('data', 'Ready')).toMatch(/^True Served/);
  });

  test('shows the progress of a sync every five seconds at most', async () => {
    const { length } = patches();
    stage.synced.set('data', 0);
    await pass(31_000);
    const before = patches().length;
    expect(before).toBeGreaterThan(length);
    for (let second = 1; second <= 60; second += 1) {
      stage.synced.set('data', second * 10);
      await pass(1_000);
    }
    const written = patches().length - before;
    expect(written).toBeGreaterThanOrEqual(9);
    expect(written).toBeLessThanOrEqual(13);
    await pass(6_000);
    expect(stage.volume('data')?.status?.copies).toMatchObject([{}, { progressPercent: 60 }]);
  });
});

test('many volumes at once are no storm: five patches a second, all done in the end', async () => {
  for (let index = 0; index < 40; index += 1) {
    stage.kube.create(VOLUMES, { metadata: { namespace: 'shop', name: `v${index}` }, spec: {} });
  }
  const counts: number[] = [];
  for (let second = 0; second < 30; second += 1) {
    const before = patches().length;
    await pass(1_000);
    counts.push(patches().length - before);
  }
  const [first = 0, ...others] = counts; // the first of all waits for nothing
  expect(first).toBeLessThanOrEqual(6);
  expect(Math.max(...others)).toBeLessThanOrEqual(5);
  expect(stage.condition('v0')).toMatch(/^True Accepted/);
  expect(stage.condition('v39')).toMatch(/^True Accepted/);
});

test('volumes that go while many are looked at hold up nobody', async () => {
  for (let index = 0; index < 40; index += 1) {
    stage.kube.create(VOLUMES, { metadata: { namespace: 'shop', name: `v${index}` }, spec: {} });
  }
  await stage.apply('data', {});
  await stage.serve('data');
  for (let index = 0; index < 40; index += 1) {
    stage.kube.remove(VOLUMES, { namespace: 'shop', name: `v${index}` });
  }
  stage.sessions.set('data', null);
  await pass(120_000);
  expect(stage.installation.registry.list()).toHaveLength(1);
  expect(stage.condition('data', 'Ready')).toMatch(/^False ControllerSilent/);
});

test('a status that somebody else wrote over is put right', async () => {
  await stage.apply('data', {});
  await stage.serve('data');
  await pass(5_000);
  const name = { namespace: 'shop', name: 'data' };
  stage.kube.patch(VOLUMES, name, { status: { health: 'splendid' } }, 'status');
  await pass(31_000);
  expect(stage.volume('data')?.status).toMatchObject({ health: 'healthy' });
});

test('a server that takes nothing for a while is written to when it does again', async () => {
  await stage.apply('data', {});
  await stage.serve('data');
  await pass(5_000);
  stage.client.plan = (call) => (call.includes('volumes/status') ? 'before' : undefined);
  stage.sessions.set('data', null);
  await pass(120_000);
  expect(stage.condition('data', 'Ready')).toMatch(/^True/);
  stage.client.plan = () => undefined;
  await pass(6_000);
  expect(stage.condition('data', 'Ready')).toMatch(/^False ControllerSilent/);
});
