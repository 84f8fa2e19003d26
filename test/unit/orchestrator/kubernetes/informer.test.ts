import { KubeClient } from '../../../../orchestrator/kubernetes/client.ts';
import type { Change, Informer } from '../../../../orchestrator/kubernetes/kube-api.ts';
import type { ConfigMap } from '../../../../orchestrator/kubernetes/objects.ts';
import { CONFIG_MAPS } from '../../../../orchestrator/kubernetes/resources.ts';
import { TRANSPORT_LIMITS } from '../../../../orchestrator/kubernetes/transport.ts';
import { eventually } from '../../../support/child.ts';
import { NAMESPACE, PlayedServer, status } from './played-server.ts';

let server: PlayedServer;
let client: KubeClient;
let informer: Informer<ConfigMap>;
/** `NAME VALUE` of each change, in order; a value of `-` is gone. */
let told: string[];

beforeEach(async () => {
  server = await PlayedServer.start();
  client = new KubeClient(server.access);
  server.put('a', '1');
  server.put('b', '1');
  told = [];
  informer = inform(client);
});
afterEach(async () => {
  client.close();
  await server.stop();
});

function inform(by: KubeClient): Informer<ConfigMap> {
  const made = by.inform(CONFIG_MAPS, { namespace: NAMESPACE });
  made.subscribe((change) => told.push(textOf(change)));
  return made;
}

function textOf({ before, after }: Change<ConfigMap>): string {
  return `${(after ?? before)?.metadata.name} ${after?.data?.value ?? '-'}`;
}

function holds(what: string, isSo: () => boolean): Promise<true> {
  return eventually(what, async () => isSo() || undefined, { withinMs: 4_000, everyMs: 2 });
}

function isTold(...expected: readonly string[]): Promise<true> {
  return holds(
    `told of ${expected}`,
    () => told.slice(-expected.length).join() === expected.join(),
  );
}

/** It has listed, and watches. */
async function isWatching(): Promise<void> {
  await informer.ready;
  await holds('a watch is open', () => server.watchCount === 1);
}

test('it lists once, tells of every change once, and is asked for nothing meanwhile', async () => {
  await informer.ready;
  expect(told).toEqual(['a 1', 'b 1']);
  await isWatching();
  server.put('a', '2');
  server.put('c', '1');
  server.remove('b');
  await isTold('a 2', 'c 1', 'b -');
  expect(informer.get({ namespace: NAMESPACE, name: 'a' })?.data).toEqual({ value: '2' });
  expect(informer.all().map(({ metadata }) => metadata.name)).toEqual(['a', 'c']);
  expect(informer.down).toBeUndefined();
  expect([server.count('list'), server.count('watch')]).toEqual([1, 1]);
});

test('a watch that ends goes on from where it was, without a list', async () => {
  await isWatching();
  server.put('a', '2');
  await isTold('a 2');
  server.endWatches();
  server.put('a', '3');
  server.remove('b');
  await isTold('a 2', 'a 3', 'b -');
  expect(server.count('list')).toBe(1);
  expect(server.requests.at(-1)?.searchParams.get('resourceVersion')).toBe('103');
});

test('a watch that is cut in the middle of a line misses nothing and repeats nothing', async () => {
  await isWatching();
  server.put('a', '2');
  await isTold('a 2');
  server.cutWatches();
  server.put('a', '3');
  await isTold('b 1', 'a 2', 'a 3');
  expect(server.count('list')).toBe(1);
});

test('a bookmark is where the next watch goes on, even if all before it is forgotten', async () => {
  await isWatching();
  server.passTime();
  server.bookmark();
  server.forget();
  server.endWatches();
  server.put('a', '2');
  await isTold('a 2');
  expect(server.requests.at(-1)?.searchParams.get('resourceVersion')).toBe('112');
  expect(server.count('list')).toBe(1);
});

test('what a server has forgotten is listed anew: changes, new ones and those that are gone', async () => {
  await isWatching();
  server.endWatches();
  server.put('a', '2');
  server.remove('b');
  server.put('c', '1');
  server.forget();
  await isTold('b -', 'a 2', 'c 1');
  expect(server.count('list')).toBe(2);
});

test('a watch that is refused because of its version leads to a list', async () => {
  await isWatching();
  let isRefused = false;
  server.refuse = (asked) => {
    if (!asked.searchParams.has('watch') || isRefused) return undefined;
    isRefused = true;
    return { status: 410, body: status(410, 'Gone', 'too old') };
  };
  server.endWatches();
  server.put('a', '2');
  await isTold('a 2');
  expect(server.count('list')).toBe(2);
  expect(informer.down).toBeUndefined();
});

test('an error in a watch leads to a list, since what was seen may not be all', async () => {
  await isWatching();
  server.tellAll({ type: 'ERROR', object: status(500, 'InternalError', 'etcd lost it') });
  await holds('it lists anew', () => server.count('list') === 2);
  await isWatching();
  server.put('a', '2');
  await isTold('a 2');
});

test.each([
  ['no object', { type: 'ADDED' }],
  ['one without a name', { type: 'MODIFIED', object: { metadata: {} } }],
  ['a bookmark of no version', { type: 'BOOKMARK', object: { metadata: {} } }],
  ['no kind of event', { type: 'SURPRISE', object: {} }],
])('an event that no server sends ends the watch and changes nothing: %s', async (_, event) => {
  await isWatching();
  const before = [...told];
  server.tellAll(event);
  await holds('it watches anew', () => server.count('watch') === 2);
  expect(told).toEqual(before);
});

test('while the server does not answer it says since when and why, and keeps what it has', async () => {
  await isWatching();
  const { port } = server;
  await server.stop();
  await holds('it is down', () => informer.down !== undefined);
  expect(informer.down?.reason).toMatch(
    /^watch configmaps in namespace demo: the Kubernetes API at \S+ does not answer: .*ECONNREFUSED/,
  );
  const since = informer.down?.sinceMs;
  await holds('it has tried again', () => client.requestCount >= 5);
  expect(informer.down?.sinceMs).toBe(since);
  expect(informer.all()).toHaveLength(2);
  await server.listen(port);
  await holds('it is up', () => informer.down === undefined);
  server.put('a', '2');
  await isTold('a 2');
});

test('it is ready when the first list is there, however long that takes', async () => {
  let refusals = 0;
  const other = await PlayedServer.start();
  other.put('x', '1');
  other.refuse = () => {
    refusals += 1;
    return refusals > 2 ? undefined : { status: 403, body: status(403, 'Forbidden', 'no') };
  };
  const own = new KubeClient(other.access);
  const late = own.inform(CONFIG_MAPS, { namespace: NAMESPACE });
  await holds('it says why not', () => late.down?.reason.includes('said: no') === true);
  await late.ready;
  expect(late.down).toBeUndefined();
  expect(late.all()).toHaveLength(1);
  own.close();
  await other.stop();
});

test('a server that ends every watch at once is not asked without pauses', async () => {
  await isWatching();
  const timer = setInterval(() => server.endWatches(), 1);
  const before = server.count('watch');
  const startMs = performance.now();
  await holds('some watches', () => server.count('watch') >= before + 4);
  // 50 ms, 100 ms, 200 ms and 400 ms at least.
  expect(performance.now() - startMs).toBeGreaterThan(300);
  clearInterval(timer);
});

test('a watch that says nothing for too long is opened anew', async () => {
  const own = new KubeClient(server.access, { ...TRANSPORT_LIMITS, silenceMs: 50 });
  const before = server.count('watch');
  const other = own.inform(CONFIG_MAPS, { namespace: NAMESPACE });
  await other.ready;
  await holds('it is opened anew', () => server.count('watch') >= before + 3);
  expect(server.count('list')).toBe(2);
  own.close();
});

test('what a call returned is known at once, and the watch does not take it back', async () => {
  await isWatching();
  const old = server.put('a', '2');
  await isTold('a 2');
  const answer = {
    ...old,
    metadata: { ...old.metadata, resourceVersion: '104' },
    data: { value: '4' },
  };
  informer.note(answer);
  expect(told.at(-1)).toBe('a 4');
  server.put('a', 'older than what was noted');
  server.put('b', '2');
  await isTold('a 4', 'b 2');
});

test('one that is noted as gone stays gone, though the watch still tells of its last days', async () => {
  await isWatching();
  const [a] = informer.all();
  informer.noteGone({ namespace: NAMESPACE, name: 'a', uid: 'uid-of-another' });
  expect(told.at(-1)).toBe('b 1');
  informer.noteGone(a?.metadata ?? { name: 'none' });
  expect(told.at(-1)).toBe('a -');
  server.put('a', '2');
  server.remove('a');
  server.put('b', '2');
  await isTold('a -', 'b 2');
});

test('what was noted while a list was on its way survives it', async () => {
  await isWatching();
  let answerNow: () => void = () => undefined;
  server.beforeListAnswer = () => new Promise((done) => (answerNow = done));
  server.tellAll({ type: 'ERROR', object: status(410, 'Expired', 'too old') });
  await holds('a list is asked for', () => server.count('list') === 2);
  const made = server.put('c', '1');
  informer.note(made);
  informer.noteGone({ namespace: NAMESPACE, name: 'b' });
  server.remove('b');
  answerNow();
  await isWatching();
  server.put('a', '2');
  await isTold('c 1', 'b -', 'a 2');
});

test('a server that was put back to an earlier state is believed', async () => {
  await isWatching();
  server.put('a', '2');
  await isTold('a 2');
  server.putBackTo(50);
  server.put('b', 'restored');
  server.endWatches();
  server.bookmark(51);
  await holds('it watches', () => server.watchCount === 1);
  server.bookmark(51);
  await isTold('a -', 'b restored');
});

test('closing ends the watch and rejects whoever still waits for the first list', async () => {
  await isWatching();
  informer.close();
  await holds('the watch is gone', () => server.watchCount === 0);
  server.put('a', '2');
  expect(told).toEqual(['a 1', 'b 1']);
  server.refuse = () => ({ status: 503, body: status(503, 'ServiceUnavailable', 'not now') });
  const waiting = inform(client);
  client.close();
  await expect(waiting.ready).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
