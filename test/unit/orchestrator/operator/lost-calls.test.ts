import { RULES, VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';
import { OperatorStage, pass, stopTime } from './support/operator-stage.ts';

const NAME = { namespace: 'shop', name: 'data' };
/** At least as many as the whole story makes. */
const MAX_CALLS = 34;
const CALLS = Array.from({ length: MAX_CALLS }, (_, index) => index + 1);

beforeEach(stopTime);
afterEach(() => jest.useRealTimers());

/** A volume is made, edited and deleted while a rule comes and goes. */
async function play(stage: OperatorStage): Promise<void> {
  await stage.apply('data', { size: '1Gi' }, { env: 'prod' });
  await pass(35_000);
  expect(stage.condition('data')).toBe('True Accepted: its spec is in force');
  await stage.applyRule('two', { selector: 'env==prod', labels: { 'keelson.io/replicas': '1' } });
  await pass(35_000);
  expect(stage.installation.registry.require('shop/data').spec.replicas).toBe(1);
  await stage.apply('data', { size: '2Gi', failureMode: 'hard' }, { env: 'prod' });
  await pass(35_000);
  expect(stage.installation.registry.require('shop/data')).toMatchObject({
    spec: { sizeBytes: 2 * 1024 ** 3, failureMode: 'hard', replicas: 1 },
  });
  stage.kube.remove(RULES, { namespace: 'shop', name: 'two' });
  stage.kube.remove(VOLUMES, NAME);
  await pass(65_000);
  expect(stage.volume('data')).toBeUndefined();
  expect(stage.installation.registry.list()).toEqual([]);
}

describe.each(['before', 'after'] as const)(
  'a call that is lost %s it was carried out',
  (moment) => {
    test.each(CALLS)('changes nothing about what comes about: call %d', async (lost) => {
      const stage = await OperatorStage.start();
      stage.client.plan = (_, number) => (number === lost ? moment : undefined);
      await play(stage);
      expect(stage.eventsOf('data', /Created/).length).toBeLessThanOrEqual(1);
      await stage.follow();
    });
  },
);

test('no call is left out of that', async () => {
  const stage = await OperatorStage.start();
  await play(stage);
  expect(stage.client.calls.length).toBeLessThanOrEqual(MAX_CALLS);
  await stage.follow();
});

test('another pod that takes over at any moment finishes what was begun', async () => {
  for (let tookOverAfter = 1; tookOverAfter <= 12; tookOverAfter += 1) {
    const stage = await OperatorStage.start();
    let isTakenOver = false;
    stage.client.pause = async () => {
      if (isTakenOver || stage.client.calls.length < tookOverAfter) return;
      isTakenOver = true;
      stage.client.isCutOff = true; // whatever comes after is never heard of
    };
    await stage.apply('data', { replicas: 1 });
    stage.client.pause = async () => undefined;
    stage.client.isCutOff = false;
    await stage.follow();
    await stage.lead();
    await pass(35_000);
    expect(stage.installation.registry.require('shop/data').spec.replicas).toBe(1);
    expect(stage.condition('data')).toBe('True Accepted: its spec is in force');
    await stage.follow();
  }
});
