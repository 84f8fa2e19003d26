import { LABELS } from '../../../../../orchestrator/platforms/docker/container-labels.ts';
import { DockerStage } from '../../support/docker-stage.ts';
import { FakeEngine } from '../../support/fake-engine.ts';

let engine: FakeEngine;
let stage: DockerStage;

beforeEach(async () => {
  engine = new FakeEngine();
  await engine.open();
});
afterEach(async () => {
  stage?.platform.kill();
  await engine.stop();
});

/** Resolves when such a call was made; it goes on when the test lets it. */
function hold(side: 'before' | 'after', pattern: RegExp) {
  const reached = Promise.withResolvers<string>();
  const released = Promise.withResolvers<void>();
  let isOver = false;
  engine[side] = async (call) => {
    if (isOver || !pattern.test(call)) return;
    isOver = true;
    reached.resolve(call);
    await released.promise;
  };
  return { reached: reached.promise, release: released.resolve };
}

function controllers(state: string) {
  return engine.find(LABELS.role, 'controller').filter((container) => container.state === state);
}

function idOf([container]: readonly { id: string }[]): string {
  if (container === undefined) throw new Error('expected a container');
  return container.id;
}

test('a controller gets a spare when it is ready, and the spare is what the next run is', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.controller);
  await stage.until(() => controllers('created').length === 1);
  const [spare] = controllers('created');
  engine.end(idOf(controllers('running')));
  await stage.until(() => stage.stateOf(stage.controller) === 'down');
  engine.calls.length = 0;
  await stage.up(stage.controller);
  expect(engine.calls[0]).toBe(`start ${spare?.id}`);
  expect(idOf(controllers('running'))).toBe(spare?.id);
});

test('a process that is stopped while it starts is not left running', async () => {
  stage = await DockerStage.open(engine);
  const start = hold('before', /^start/);
  stage.platform.start(stage.replica);
  await start.reached;
  const stopped = stage.platform.stop(stage.replica.key);
  await stage.until(() => engine.calls.some((call) => call.startsWith('stop')));
  start.release();
  await stopped;
  expect(engine.running(LABELS.role, 'replica')).toEqual([]);
  expect(stage.exits()).toHaveLength(1);
});

test('I7 a controller whose start has no answer does not count as gone, and is found later', async () => {
  stage = await DockerStage.open(engine);
  const start = hold('after', /^start controller/);
  stage.platform.start(stage.controller);
  await start.reached;
  const first = idOf(controllers('running'));
  await engine.close();
  start.release();
  await stage.until(() => stage.exits().length === 1);
  expect(stage.exits()[0]).toMatch(/^controller undefined: cannot start: /);
  await engine.open();
  await stage.until(() => stage.stateOf(stage.controller) === 'ready');
  expect(idOf(controllers('running'))).toBe(first);
});

test('I7 a controller that was lost with its engine counts as gone when its end is seen', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.controller);
  const [instanceId] = stage.platform.liveInstances() ?? [];
  await engine.close();
  // Nothing answers at its portal either.
  await stage.until(() => stage.exits().length === 1);
  expect(stage.exits()[0]).toMatch(/^controller undefined: neither it nor the engine of node1/);
  expect(stage.gone()).toEqual([]);
  engine.end(idOf(controllers('running')));
  await engine.open();
  await stage.until(() => stage.gone().length === 1);
  expect(stage.gone()).toEqual([instanceId]);
});

test('a network that another node makes at the same moment is waited for', async () => {
  stage = await DockerStage.open(engine);
  let refusals = 0;
  engine.refuse = (call) => {
    if (!call.startsWith('create network')) return undefined;
    refusals += 1;
    if (refusals === 2) {
      const labels = { [LABELS.installation]: 'inst', [LABELS.volumeId]: 'id1' };
      engine.networks.set('k-default.demo', labels);
    }
    return [403, 'Pool overlaps with other one on this address space'];
  };
  await stage.up(stage.replica);
  expect(stage.exits()).toEqual([]);
});

test('a process is ready also when its log broke off before it said so', async () => {
  stage = await DockerStage.open(engine);
  const log = hold('before', /^read .*\/logs/);
  stage.platform.start(stage.controller);
  await log.reached;
  engine.breakStreams();
  await engine.close();
  log.release();
  expect(stage.stateOf(stage.controller)).toBe('starting');
  await engine.open();
  await stage.until(() => stage.stateOf(stage.controller) === 'ready');
  await stage.until(() => controllers('created').length === 1);
});

test('a controller that somebody starts again beside the present one is removed', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.controller);
  const first = idOf(controllers('running'));
  engine.end(first);
  await stage.until(() => stage.stateOf(stage.controller) === 'down');
  stage.platform.start(stage.controller);
  engine.begin(first);
  await stage.until(() => !engine.containers.has(first));
  await stage.until(() => stage.stateOf(stage.controller) === 'ready');
  expect(controllers('running')).toHaveLength(1);
});

test('a controller that somebody starts again while there is none is removed', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.controller);
  const first = idOf(controllers('running'));
  engine.end(first);
  await stage.until(() => stage.stateOf(stage.controller) === 'down');
  engine.begin(first);
  await stage.until(() => !engine.containers.has(first));
  await stage.up(stage.controller);
});

test('a list that a start overtook says nothing about that process', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.replica);
  engine.end(idOf(engine.running(LABELS.role, 'replica')));
  await stage.until(() => stage.stateOf(stage.replica) === 'down');
  // The list after the next connection has the replica down.
  const list = hold('after', /^read \/containers\/json/);
  engine.breakStreams();
  await list.reached;
  const exits = stage.exits();
  stage.platform.start(stage.replica);
  await stage.until(() => engine.running(LABELS.role, 'replica').length === 1);
  list.release();
  await stage.until(() => stage.stateOf(stage.replica) === 'ready');
  expect(stage.exits()).toEqual(exits);
});

test('a list that an end overtook does not bring a process back', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.replica);
  engine.breakStreams();
  await stage.until(() => stage.platform.observeNodes()[0]?.down !== undefined);
  const list = hold('after', /^read \/containers\/json/);
  await list.reached;
  engine.end(idOf(engine.running(LABELS.role, 'replica')));
  await stage.until(() => stage.stateOf(stage.replica) === 'down');
  list.release();
  await stage.until(() => stage.platform.observeNodes()[0]?.down === undefined);
  expect(stage.stateOf(stage.replica)).toBe('down');
});

test('an event stream that breaks while the containers are listed is opened again', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.replica);
  const list = hold('after', /^read \/containers\/json/);
  engine.breakStreams();
  await list.reached;
  engine.breakStreams();
  list.release();
  await stage.until(() => stage.platform.observeNodes()[0]?.down === undefined);
  engine.end(idOf(engine.running(LABELS.role, 'replica')));
  await stage.until(() => stage.stateOf(stage.replica) === 'down');
});

test('an orchestrator that starts takes over what runs, and makes the spare that is missing', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.controller);
  await stage.up(stage.replica);
  await stage.until(() => controllers('created').length === 1);
  const running = [...engine.containers.values()].filter(({ state }) => state === 'running');
  stage.platform.kill();
  engine.containers.delete(idOf(controllers('created')));
  stage = await DockerStage.open(engine);
  expect(stage.stateOf(stage.controller)).toBe('ready');
  expect(stage.stateOf(stage.replica)).toBe('ready');
  expect(stage.platform.liveInstances()?.size).toBe(1);
  await stage.until(() => controllers('created').length === 1);
  expect([...engine.containers.values()].filter(({ state }) => state === 'running')).toEqual(
    running,
  );
});

test("a network that has the name already is refused when it is another installation's", async () => {
  engine.networks.set('k-default.demo', { [LABELS.installation]: 'other' });
  stage = await DockerStage.open(engine);
  stage.platform.start(stage.replica);
  await stage.until(() => stage.exits().length === 1);
  expect(stage.exits()[0]).toMatch(/network k-default\.demo .*another installation.*--name-prefix/);
  expect(engine.networks.size).toBe(1);
  expect(engine.containers.size).toBe(0);
});

test.each([undefined, '10.213.3.128'])(
  'a container that is not where it should be in its network (%s) is put back',
  async (wrong) => {
    stage = await DockerStage.open(engine);
    await stage.up(stage.replica);
    const [container] = engine.running(LABELS.role, 'replica');
    const [[network = '', address = ''] = []] = container?.addresses ?? [];
    expect([network, address]).toEqual(['k-default.demo', '127.213.3.11']);
    if (wrong === undefined) container?.addresses.delete(network);
    else container?.addresses.set(network, wrong);
    engine.breakStreams();
    await stage.until(() => container?.addresses.get(network) === address);
    expect(stage.stateOf(stage.replica)).toBe('ready');
  },
);

test('a spare of other images than those of this orchestrator is made anew', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.controller);
  await stage.until(() => controllers('created').length === 1);
  const [old] = controllers('created');
  stage.platform.kill();
  stage = await DockerStage.open(engine, { tag: '2' });
  await stage.until(() => !engine.containers.has(old?.id ?? ''));
  await stage.until(() => controllers('created').length === 1);
  expect(controllers('running')).toHaveLength(1);
});

test('a volume that goes takes its own network along, whoever has one of that name', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.replica);
  engine.networks.set('theirs', { [LABELS.installation]: 'other', [LABELS.volumeId]: 'id1' });
  await stage.platform.stop(stage.replica.key);
  expect(await stage.platform.erase(stage.record)).toEqual([]);
  expect([...engine.networks.keys()]).toEqual(['theirs']);
  expect(engine.containers.size).toBe(0);
});

test('a network that an earlier volume of that name left behind is made anew', async () => {
  const labels = { [LABELS.installation]: 'inst', [LABELS.volumeId]: 'earlier' };
  stage = await DockerStage.open(engine);
  engine.networks.set('k-default.demo', labels);
  await stage.up(stage.replica);
  expect(engine.networks.get('k-default.demo')).toMatchObject({ [LABELS.volumeId]: 'id1' });
});

test.each(['controller', 'replica'] as const)(
  'a container that cannot be started is made anew for the next start of the %s',
  async (role) => {
    stage = await DockerStage.open(engine);
    engine.refuse = (call) =>
      call.startsWith('start') ? [404, 'network 1234 not found'] : undefined;
    stage.platform.start(stage[role]);
    await stage.until(() => stage.exits().length === 1);
    expect(stage.exits()[0]).toContain('cannot start: start container');
    await stage.until(() => engine.containers.size === 0);
    engine.refuse = () => undefined;
    await stage.up(stage[role]);
  },
);

test('a replica whose address somebody has starts in the same container later', async () => {
  stage = await DockerStage.open(engine);
  engine.refuse = (call) =>
    call.startsWith('start') ? [403, 'Address already in use'] : undefined;
  stage.platform.start(stage.replica);
  await stage.until(() => stage.exits().length === 1);
  engine.refuse = () => undefined;
  await stage.up(stage.replica);
  expect(engine.calls.filter((call) => call.startsWith('create k-default.demo-r'))).toHaveLength(1);
});

test('a stop of what runs on an engine that is away is over at once, and carried out later', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.replica);
  const away = engine.running(LABELS.role, 'replica');
  await engine.close();
  await stage.until(() => stage.platform.observeNodes()[0]?.down !== undefined);
  await stage.platform.stop(stage.replica.key);
  expect(stage.exits()).toEqual(['replica undefined: its engine is away']);
  expect(engine.running(LABELS.role, 'replica')).toEqual(away);
  stage.isWanted = () => false;
  await engine.open();
  await stage.until(() => engine.containers.size === 0);
});

test('a stop that its engine goes away under is over then', async () => {
  stage = await DockerStage.open(engine);
  await stage.up(stage.replica);
  const stop = hold('before', /^stop/);
  const stopped = stage.platform.stop(stage.replica.key);
  await stop.reached;
  await engine.close();
  await stopped;
  expect(stage.stateOf(stage.replica)).toBe('down');
});
