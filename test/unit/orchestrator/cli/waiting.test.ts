import { Interrupted } from '../../../../orchestrator/cli/errors.ts';
import type { CopyView, VolumeView } from '../../../../orchestrator/model/view.ts';
import { type as typeLine } from '../support/command-line.ts';
import { FakeApi, Refusal } from '../support/fake-api.ts';

let api: FakeApi;
beforeAll(async () => {
  api = await FakeApi.start();
});
beforeEach(() => {
  api.answers = {};
});
afterAll(() => api.stop());

function copyOf(replicaId: string, state: CopyView['state']): CopyView {
  return {
    ...{ replicaId, node: `node${replicaId.slice(1)}`, state, process: 'ready' },
    ...{ isConnected: true, isPrimary: false, isLeaving: false },
  };
}

function volumeOf(copies: readonly CopyView[], facts: Partial<VolumeView> = {}) {
  return {
    ...{ namespace: 'default', name: 'a', sizeBytes: 2 ** 30, servedBytes: 2 ** 30, replicas: 1 },
    ...{ health: 'healthy', isDeleting: false, notes: [], copies, ...facts },
  };
}

/** One answer after the other; the last one for good. */
function inTurn(...answers: unknown[]): () => unknown {
  return () => (answers.length > 1 ? answers.shift() : answers[0]);
}

const BOTH = [copyOf('r1', 'in-sync'), copyOf('r2', 'in-sync')];
const ONE = [copyOf('r1', 'in-sync'), copyOf('r2', 'syncing')];
const GET_A = 'GET /v1/volumes/default/a';
const [starting, healthy] = [volumeOf(ONE, { health: 'degraded' }), volumeOf(BOTH)];

const typed = (line: string, more: Parameters<typeof typeLine>[1] = {}) =>
  typeLine(line, { environment: api.environment, ...more });

test('volume create --wait comes back when all copies are in sync, and notes what is missing', async () => {
  const growing = volumeOf(BOTH, { servedBytes: 2 ** 29 });
  const leaving = volumeOf([...BOTH, copyOf('r3', 'in-sync')]);
  const restarting = new Refusal('UNAVAILABLE', 'the orchestrator starts', 503);
  api.answers = {
    'POST /v1/volumes': starting,
    [GET_A]: inTurn(starting, starting, restarting, growing, leaving, healthy),
  };
  expect(await typed('volume create --wait a')).toEqual({
    out: 'default/a\n',
    notes: `volume default/a is healthy: not yet, degraded, 1 of 2 in sync
volume default/a is healthy: not yet, the orchestrator starts
volume default/a is healthy: not yet, growing from 512MiB
volume default/a is healthy: not yet, copies that have to leave: 1
`,
    error: undefined,
  });
});

test('a wait that takes too long ends with what is missing and what goes on', async () => {
  const noted = volumeOf(ONE, { health: 'degraded', notes: ['too few nodes'] });
  api.answers = { 'PATCH /v1/volumes/default/a': noted, [GET_A]: noted };
  const { out, error } = await typed('volume update --size 2 --wait --timeout 1s a');
  expect(error).toMatchObject({
    code: 'UNAVAILABLE',
    message:
      'expected within 1 s that volume default/a is healthy: not yet, degraded, 1 of 2 in sync; too few nodes; it goes on by itself',
  });
  expect(out).toBe('');
});

test('a wait for a volume that somebody deletes ends', async () => {
  const gone = new Refusal('NOT_FOUND', 'volume default/a does not exist');
  api.answers = { 'POST /v1/volumes': starting, [GET_A]: inTurn(starting, gone) };
  expect((await typed('volume create --wait a')).error).toMatchObject({ code: 'NOT_FOUND' });
});

test('on a terminal the copies are drawn below, and wiped away at the end', async () => {
  api.answers = { 'POST /v1/volumes': starting, [GET_A]: inTurn(starting, healthy) };
  const { notes } = await typed('volume create --wait a', { isInteractive: true });
  expect(notes).toContain('r2    node2  syncing');
  expect(notes.endsWith('\x1b[3F\x1b[J')).toBe(true);
});

const nodeOf = (copies: readonly object[], isDraining = true) => ({
  ...{ name: 'node1', copies, isDraining, isCordoned: true },
});
const HELD = [{ volume: 'default/a', replicaId: 'r1', state: 'in-sync' }];
const DRAIN = { 'PATCH /v1/nodes/node1': nodeOf(HELD), 'GET /v1/volumes': [starting] };

test('node drain waits until the node is empty, and says for what', async () => {
  api.answers = { ...DRAIN, 'GET /v1/nodes/node1': inTurn(nodeOf(HELD), nodeOf([])) };
  expect(await typed('node drain node1')).toEqual({
    out: 'node1\n',
    notes: 'node node1 is empty: not yet, 1 copy is left: default/a until r2 on node2 is in sync\n',
    error: undefined,
  });
});

test('Ctrl-C ends the wait for a drain at once, and says that it goes on', async () => {
  const ended = new AbortController();
  api.answers = {
    ...DRAIN,
    'GET /v1/nodes/node1': () => {
      ended.abort();
      return nodeOf(HELD);
    },
  };
  const { error } = await typed('node drain node1', { signal: ended.signal });
  expect(error).toBeInstanceOf(Interrupted);
  expect((error as Error).message).toBe(
    'waits no longer until node node1 is empty; it goes on draining; keelson node uncordon node1 ends that',
  );
});

test('Ctrl-C that comes before the wait begins ends it as well', async () => {
  const ended = new AbortController();
  api.answers = {
    [GET_A]: starting,
    'POST /v1/volumes': () => {
      ended.abort();
      return starting;
    },
  };
  const { error } = await typed('volume create --wait a', { signal: ended.signal });
  expect(error).toBeInstanceOf(Interrupted);
});

test('node drain ends when somebody has ended the drain', async () => {
  api.answers = { ...DRAIN, 'GET /v1/nodes/node1': nodeOf(HELD, false) };
  expect((await typed('node drain node1')).error).toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: 'drain node node1: somebody has ended that, and 1 copy is left',
  });
});

test('node drain --no-wait asks for nothing more', async () => {
  api.answers = DRAIN;
  api.take();
  expect((await typed('node drain --no-wait node1')).out).toBe('node1\n');
  expect(api.take().map(({ call }) => call)).toEqual(['PATCH /v1/nodes/node1']);
});
