import { LABELS } from '../../../../../orchestrator/platforms/docker/container-labels.ts';
import { DockerStage } from '../../support/docker-stage.ts';
import { type FakeContainer, FakeEngine } from '../../support/fake-engine.ts';

const NETWORK = 'k-default.demo';
const ADDRESS = '127.213.3.2';

let engine: FakeEngine;
let stage: DockerStage;

beforeEach(async () => {
  engine = new FakeEngine();
  await engine.open();
  stage = await DockerStage.open(engine);
});
afterEach(async () => {
  stage.platform.kill();
  await engine.stop();
});

function running(role: 'holder' | 'controller'): FakeContainer {
  const [found, ...others] = engine.running(LABELS.role, role);
  if (found === undefined || others.length > 0) throw new Error(`expected one ${role}`);
  return found;
}

function spares(): FakeContainer[] {
  return engine.find(LABELS.role, 'controller').filter(({ state }) => state === 'created');
}

/** The orchestrator is started again. */
async function reopen(whileAway: () => unknown): Promise<void> {
  stage.platform.kill();
  whileAway();
  stage = await DockerStage.open(engine);
}

async function upAgain(): Promise<void> {
  await stage.until(() => stage.stateOf(stage.controller) === 'down');
  await stage.until(() => stage.platform.observeNodes()[0]?.down === undefined);
  await stage.up(stage.controller);
}

test('a controller runs in the network of its holder, which has the address and stays', async () => {
  await stage.up(stage.controller);
  const holder = running('holder');
  expect([...holder.addresses]).toEqual([[NETWORK, ADDRESS]]);
  for (let round = 0; round < 2; round += 1) {
    await stage.until(() => spares().length === 1);
    const { id, networkMode, addresses } = running('controller');
    expect([networkMode, addresses.size]).toEqual([`container:${holder.id}`, 0]);
    engine.end(id);
    await upAgain();
  }
  expect(running('holder')).toBe(holder);
});

test.each(['ends', 'is removed'])(
  'a holder that %s takes its controller along, and both are made anew',
  async (what) => {
    await stage.up(stage.controller);
    await stage.until(() => spares().length === 1);
    const [holder, controller] = [running('holder'), running('controller')];
    engine.end(holder.id);
    if (what === 'is removed') engine.containers.delete(holder.id);
    await upAgain();
    expect(running('holder').id).not.toBe(holder.id);
    expect(running('controller').networkMode).toBe(`container:${running('holder').id}`);
    expect(stage.exits()).toEqual([expect.stringMatching(/signal SIGKILL/)]);
    await stage.until(() => spares().length === 1);
    expect(engine.containers.has(holder.id)).toBe(false);
    expect(engine.containers.get(controller.id)?.state).toBe('exited');
  },
);

test.each(['ended', 'was removed'])(
  'a holder that %s unnoticed is found missing, and its controller is killed',
  async (what) => {
    await stage.up(stage.controller);
    const holder = running('holder');
    engine.breakStreams();
    engine.end(holder.id, 137, { isSilent: true });
    if (what === 'was removed') engine.containers.delete(holder.id);
    await upAgain();
    expect(running('controller').networkMode).toBe(`container:${running('holder').id}`);
  },
);

test('an orchestrator that starts takes over a holder, and the spare in its network', async () => {
  await stage.up(stage.controller);
  await stage.until(() => spares().length === 1);
  const [holder, [spare]] = [running('holder'), spares()];
  await reopen(() => undefined);
  engine.end(running('controller').id);
  await upAgain();
  expect(running('holder')).toBe(holder);
  expect(running('controller').id).toBe(spare?.id);
});

test('a holder that was restarted while no orchestrator ran has lost its controller', async () => {
  await stage.up(stage.controller);
  const holder = running('holder');
  await reopen(() => {
    holder.startedAt = new Date(Date.now() + 1_000).toISOString();
  });
  await stage.until(() => stage.exits().length === 1);
  await upAgain();
});

test('a holder that is out of its network is put back, and the controller goes on', async () => {
  await stage.up(stage.controller);
  const holder = running('holder');
  holder.addresses.delete(NETWORK);
  engine.breakStreams();
  await stage.until(() => holder.addresses.get(NETWORK) === ADDRESS);
  expect(stage.exits()).toEqual([]);
  expect(running('controller').addresses.size).toBe(0);
});

test('an address that somebody has is asked for again by the next start', async () => {
  engine.refuse = (call) =>
    call.startsWith('start holder') ? [403, 'Address already in use'] : undefined;
  stage.platform.start(stage.controller);
  await stage.until(() => stage.exits().length === 1);
  expect(stage.exits()[0]).toContain('another container has this address');
  await stage.until(() => engine.containers.size === 0);
  engine.refuse = () => undefined;
  await stage.up(stage.controller);
});

test('a holder stays when a controller cannot be started for another reason', async () => {
  engine.refuse = (call) => (call.startsWith('start controller') ? [404, 'no image'] : undefined);
  stage.platform.start(stage.controller);
  await stage.until(() => stage.exits().length === 1);
  const holder = running('holder');
  engine.refuse = () => undefined;
  await stage.up(stage.controller);
  expect(running('holder')).toBe(holder);
});

test('a holder of whose end nothing was told is found out by the start that fails', async () => {
  await stage.up(stage.controller);
  await stage.until(() => spares().length === 1);
  const holder = running('holder');
  engine.end(holder.id, 137, { isSilent: true });
  engine.end(running('controller').id);
  await stage.until(() => stage.stateOf(stage.controller) === 'down');
  stage.platform.start(stage.controller);
  await stage.until(() => stage.exits().length === 2);
  expect(stage.exits()[1]).toContain('cannot join network');
  await upAgain();
  expect(running('holder').id).not.toBe(holder.id);
});

test('the holder of a volume that goes is removed', async () => {
  await stage.up(stage.controller);
  await stage.until(() => spares().length === 1);
  await stage.platform.stop(stage.controller.key);
  expect(await stage.platform.erase(stage.record)).toEqual([]);
  expect(engine.containers.size).toBe(0);
});

test('a holder of a volume that is gone is removed when an orchestrator starts', async () => {
  await stage.up(stage.controller);
  stage.platform.kill();
  stage = await DockerStage.open(engine, { isWanted: () => false });
  await stage.until(() => engine.containers.size === 0);
});
