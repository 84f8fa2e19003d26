import { RULES } from '../../../../orchestrator/kubernetes/resources.ts';
import { type OperatorStage, pass, showCondition, useStage } from './support/operator-stage.ts';

const TWO_FOR_PROD = { selector: 'env==prod', labels: { 'keelson.io/replicas': '2' } };
const IN_FORCE = 'True Accepted: it decides about the volumes that it selects';

let stage: OperatorStage;

useStage(async (made) => {
  stage = made;
  await stage.apply('data', {}, { env: 'prod' });
  await stage.apply('other', {}, { env: 'test' });
});

function replicasOf(name: string): number {
  return stage.installation.registry.require(`shop/${name}`).spec.replicas;
}

function accepted(name: string): string | undefined {
  return showCondition(stage.rule(name)?.status, 'Accepted');
}

describe('a Rule that somebody applies', () => {
  test('decides about the volumes that it selects, and tells how many', async () => {
    await stage.applyRule('two', TWO_FOR_PROD);
    expect([replicasOf('data'), replicasOf('other')]).toEqual([2, 0]);
    expect(accepted('two')).toBe(IN_FORCE);
    expect(stage.rule('two')?.status).toMatchObject({ volumes: 1, observedGeneration: 1 });
    expect(stage.eventsOf('data', /replicas/)).toEqual([
      'Normal Changed x1: replicas changed from 0 to 2 by rule shop/two',
    ]);
  });

  test('counts a volume that is labelled later', async () => {
    await stage.applyRule('two', TWO_FOR_PROD);
    await stage.apply('other', {}, { env: 'prod' });
    await pass(2_000);
    expect(replicasOf('other')).toBe(2);
    expect(stage.rule('two')?.status).toMatchObject({ volumes: 2 });
  });

  test('decides otherwise when it is edited, and nothing when it is deleted', async () => {
    await stage.applyRule('two', TWO_FOR_PROD);
    await stage.applyRule('two', { ...TWO_FOR_PROD, labels: { 'keelson.io/replicas': '1' } });
    expect(replicasOf('data')).toBe(1);
    stage.kube.remove(RULES, { namespace: 'shop', name: 'two' });
    await pass(1_000);
    expect(replicasOf('data')).toBe(0);
  });

  test('decides also when nobody led at the time', async () => {
    await stage.follow();
    stage.kube.create(RULES, {
      metadata: { namespace: 'shop', name: 'two' },
      spec: TWO_FOR_PROD,
    });
    await stage.lead();
    expect(replicasOf('data')).toBe(2);
    expect(accepted('two')).toBe(IN_FORCE);
  });
});

describe('a Rule that cannot be read', () => {
  const WRONG = { ...TWO_FOR_PROD, labels: { 'keelson.io/replica': '1' } };

  test('decides nothing, says why, once, and decides when it is put right', async () => {
    await stage.applyRule('two', WRONG);
    expect(accepted('two')).toMatch(
      /^False InvalidSpec: .*label keelson.io\/replica: not known; expected one of keelson/,
    );
    expect(replicasOf('data')).toBe(0);
    await pass(300_000);
    expect(stage.eventsOf('two', /Warning/)).toHaveLength(1);
    await stage.applyRule('two', TWO_FOR_PROD);
    expect(accepted('two')).toBe(IN_FORCE);
    expect(replicasOf('data')).toBe(2);
  });

  test('decides what it did before somebody edited it, also when another pod leads', async () => {
    await stage.applyRule('two', TWO_FOR_PROD);
    await stage.applyRule('two', WRONG);
    expect(accepted('two')).toMatch(/^False InvalidSpec/);
    expect(replicasOf('data')).toBe(2);
    await stage.follow();
    await stage.lead();
    await stage.applyRule('one', { selector: 'env==test', labels: { 'keelson.io/replicas': '1' } });
    expect(replicasOf('data')).toBe(2);
  });
});

test('a volume that a rule asks too much for says so, and is made when the rule is gone', async () => {
  await stage.applyRule('five', { selector: 'env==prod', labels: { 'keelson.io/replicas': '5' } });
  await stage.apply('new', {}, { env: 'prod' });
  expect(stage.condition('new')).toMatch(
    /^False NoRoom: place 6 copies \(replicas=5 by rule shop\/five\)/,
  );
  stage.kube.remove(RULES, { namespace: 'shop', name: 'five' });
  await pass(1_000);
  expect(stage.condition('new')).toMatch(/^True Accepted/);
});
