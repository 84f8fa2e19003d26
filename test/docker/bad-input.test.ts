import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { eventually, run, runOk } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { makeCertificates } from '../support/dockerd-certificates.ts';
import { imagesFor } from '../support/dockerd-images.ts';
import { Orchestrator, type OrchestratorOptions } from './support/orchestrator.ts';
import { findRemains } from './support/remains.ts';

/** One clear sentence for each mistake, and nothing of it is left behind. */
const NOBODY = 65_534;
const API_PORT = 5798;
const SMALL_BYTES = 16 * 1024 ** 2;

let dockerd: Dockerd;
let far: Dockerd;
let scratch: string;

beforeAll(async () => {
  [dockerd, far] = await Promise.all([startDockerd(), startDockerd({ host: 1, tls: true })]);
  await imagesFor(dockerd.engine);
  scratch = mkdtempSync(join(tmpdir(), 'keelson-bad-'));
});
afterAll(async () => {
  await Promise.all([dockerd?.stop(), far?.stop()]);
  rmSync(scratch, { recursive: true, force: true });
});

interface BadStart {
  readonly what: string;
  /** Of --node a. */
  readonly fields: () => Promise<string> | string;
  readonly args?: readonly string[];
  readonly uid?: number;
  readonly says: RegExp;
}

const BAD_STARTS: readonly BadStart[] = [
  {
    what: 'an engine whose socket is not there',
    fields: () => `engine=unix://${scratch}/nothing.sock`,
    says: /^no node can be used: a: engine unix:\S+nothing\.sock: there is no such socket; is Docker running there\?$/,
  },
  {
    what: 'an engine that refuses the connection',
    fields: () => `engine=unix://${deadSocket()}`,
    says: /^no node can be used: a: engine unix:\S+dead\.sock: nobody answers; is Docker running there\?$/,
  },
  {
    what: 'a port where nobody listens',
    fields: () => 'engine=tcp://127.0.0.1:2375',
    says: /^no node can be used: a: engine tcp:\S+2375: nobody answers; is Docker running there\?$/,
  },
  {
    what: 'a socket that this user may not use',
    fields: () => `engine=unix://${dockerd.socketPath}`,
    uid: NOBODY,
    says: /^no node can be used: a: engine unix:\S+: permission denied; run the orchestrator as root, or as a member of the group that owns the socket$/,
  },
  {
    what: 'an engine whose certificate another authority signed',
    fields: async () => `engine=${far.tcp?.url},tls=${await otherCertificates()}`,
    says: /^no node can be used: a: engine tcp:\S+: its certificate is not signed by ca\.pem$/,
  },
  {
    what: 'a client certificate that the engine does not know',
    fields: async () => `engine=${far.tcp?.url},tls=${await foreignClient()}`,
    says: /^no node can be used: a: engine tcp:\S+: it refuses our certificate; is cert\.pem signed by its CA\?$/,
  },
  {
    what: 'no client certificate at all',
    fields: () => `engine=${far.tcp?.url},tls=${onlyAuthority()}`,
    says: /^read \S+cert\.pem: ENOENT.*; expected ca\.pem, cert\.pem and key\.pem, as docker makes them$/,
  },
  {
    what: 'an engine that wants TLS and is not asked so',
    fields: () => `engine=${far.tcp?.url}`,
    says: /^no node can be used: a: .*engine tcp:\S+: it wants TLS; give tls=DIRECTORY with ca\.pem, cert\.pem and key\.pem$/,
  },
  {
    what: 'TLS to a port that speaks plainly',
    fields: async () => `engine=tcp://127.0.0.1:${await plainPort()},tls=${far.tcp?.certificates}`,
    says: /^no node can be used: a: engine tcp:\S+: it does not speak TLS; leave tls= out, or ask at its TLS port$/,
  },
  {
    what: 'images that are not there',
    fields: () => `engine=unix://${dockerd.socketPath}`,
    args: ['--image-tag', 'none'],
    says: /^no node can be used: a: .*image keelson\/replica:none is not there; build it with npm run images, or load it with docker load$/,
  },
  {
    what: 'a data directory that cannot be made',
    fields: () => `data=/proc/nodes,engine=unix://${dockerd.socketPath}`,
    says: /^no node can be used: a: .*\/proc\/nodes/,
  },
];

test.each(BAD_STARTS)('an orchestrator is told of $what in one sentence', async (start) => {
  const { fields, args = [], uid, says } = start;
  const dataDir = mkdtempSync(join(scratch, 'data-'));
  if (uid !== undefined) letIn(uid, dataDir);
  const node = `name=a,${await fields()}`;
  const data = node.includes('data=') ? '' : `,data=${join(dockerd.directory, 'a')}`;
  const orchestrator = Orchestrator.spawn({
    ...{ dataDir, nodes: [`${node}${data}`], replaceAfterSeconds: 60, args, apiPort: API_PORT },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  expect(await orchestrator.ended).toBe(1);
  const [, sentence, ...more] = orchestrator.output.trim().split('\n');
  expect([sentence?.replace(/^keelson: /, ''), more]).toEqual([expect.stringMatching(says), []]);
  expect(await findRemains(dockerd, [join(dockerd.directory, 'a')])).toEqual([]);
});

describe('while it runs', () => {
  let orchestrator: Orchestrator;

  beforeAll(async () => {
    orchestrator = await start('running', ['a', 'b']);
  });
  afterAll(() => orchestrator?.kill());

  test.each([
    ['an unknown label', { 'keelson.io/replica': '1' }, /keelson\.io\/replica\b/],
    ['too many replicas', { 'keelson.io/replicas': '6' }, /keelson\.io\/replicas.*0 to 5/],
    ['an unknown mode', { 'storageos.com/failure.mode': 'fast' }, /storageos\.com\/failure\.mode/],
    ['more copies than nodes', { 'keelson.io/replicas': '2' }, /expected at least 3, got 2/],
  ])('%s is refused, and nothing is made', async (_, labels, says) => {
    const words = Object.entries(labels).flatMap(([name, value]) => [
      '--label',
      `${name}=${value}`,
    ]);
    await expectRefusal(['volume', 'create', ...words, 'bad'], says);
    expect(await findRemains(dockerd, roots('a', 'b'))).toEqual([]);
  });

  test('a name that is taken, a node that is unknown: one sentence each', async () => {
    const name = { namespace: 'default', name: 'taken' };
    await orchestrator.api.createVolume({ ...name, size: '16Mi', labels: {} });
    const create = ['volume', 'create', '--size', '32Mi', 'taken'];
    await expectRefusal(create, /default\/taken: it exists and differs: size is 16Mi/);
    await expectRefusal(['node', 'drain', 'nowhere'], /node nowhere does not exist/);
    await expectRefusal(['volume', 'inspect', 'nothing'], /default\/nothing/);
    await orchestrator.api.deleteVolume(name, { isForced: true });
    expect(await findRemains(dockerd, roots('a', 'b'))).toEqual([]);
  });

  test('a second orchestrator on the same installation says so and stops', async () => {
    const before = await containerIds();
    const second = Orchestrator.spawn({ ...optionsOf('running', ['a', 'b']), apiPort: 5799 });
    expect(await second.ended).toBe(1);
    expect(second.output.trim().split('\n').slice(1)).toEqual([
      expect.stringMatching(
        /^keelson: start on \S+: another orchestrator runs on this directory; .* with --data$/,
      ),
    ]);
    expect(await orchestrator.api.nodes()).toHaveLength(2);
    expect(await containerIds()).toEqual(before);
  });

  async function expectRefusal(words: readonly string[], says: RegExp): Promise<void> {
    const url = `http://127.0.0.1:${API_PORT}`;
    const environment = { KEELSON_API: url };
    const { code, stdout, stderr } = await run('node', ['orchestrator/cli/main.ts', ...words], {
      environment,
    });
    expect([code === 0, stdout]).toEqual([false, '']);
    expect(stderr).toMatch(/^keelson: [^\n]+\n$/);
    expect(stderr).toMatch(says);
  }
});

test('a disk that is full is told, and the volume that was wanted on it goes without a trace', async () => {
  const root = join(dockerd.directory, 'full');
  await mountFull(root);
  const orchestrator = await start('full', ['full']);
  try {
    const name = { namespace: 'default', name: 'crowded' };
    await orchestrator.api
      .createVolume({ ...name, size: '64Mi', labels: {} })
      .catch(() => undefined);
    await whenSaid(orchestrator, /replica r1 on full exited \(code \d+: .*full; free space/);
    await orchestrator.api.deleteVolume(name, { isForced: true });
    const remains = await findRemains(dockerd, [root]);
    expect(remains.filter((path) => !path.endsWith('/ballast'))).toEqual([]);
    expect(await orchestrator.api.volumes()).toEqual([]);
  } finally {
    await orchestrator.kill();
  }
});

test('a directory that is the node of another installation is told as people know it', async () => {
  const first = await start('owner', ['owned']);
  await first.kill();
  const second = Orchestrator.spawn(optionsOf('thief', ['owned']));
  expect(await second.ended).toBe(1);
  expect(second.output).toContain(`no node can be used: owned: ${roots('owned')[0]} belongs to`);
});

test('containers of another installation keep their names, and the newcomer is told', async () => {
  const name = { namespace: 'default', name: 'same' };
  const wish = { ...name, size: '16Mi', labels: {} };
  const first = await start('first', ['one']);
  await first.api.createVolume(wish);
  // The spare comes after the answer: what is counted must be all there is to come.
  const before = await eventually('the spare is there', async () => {
    const found = await containerIds();
    return found.some((line) => line.endsWith(' created')) ? found : undefined;
  });
  await first.kill();
  const second = await start('second', ['other']);
  try {
    await second.api.createVolume(wish).catch(() => undefined);
    await whenSaid(second, /another installation has that name; choose another --name-prefix/);
    await second.api.deleteVolume(name, { isForced: true });
    expect(await containerIds()).toEqual(before);
  } finally {
    await second.kill();
  }
  const again = await start('first', ['one']);
  await again.api.deleteVolume(name, { isForced: true });
  await again.kill();
  expect(await findRemains(dockerd, roots('one', 'other'))).toEqual([]);
});

async function whenSaid(orchestrator: Orchestrator, sentence: RegExp): Promise<void> {
  const isSaid = () => (sentence.test(orchestrator.output) ? true : undefined);
  await eventually(`it says ${sentence}`, isSaid).catch((cause: unknown) => {
    throw new Error(`${String(cause)}\n${orchestrator.output}`, { cause });
  });
}

function start(installation: string, nodes: readonly string[]): Promise<Orchestrator> {
  return Orchestrator.start(optionsOf(installation, nodes));
}

function optionsOf(installation: string, nodes: readonly string[]): OrchestratorOptions {
  const dataDir = join(scratch, installation);
  mkdirSync(dataDir, { recursive: true });
  return {
    ...{ dataDir, replaceAfterSeconds: 60, apiPort: API_PORT },
    nodes: nodes.map((name) => {
      return `name=${name},data=${roots(name)[0]},engine=unix://${dockerd.socketPath}`;
    }),
  };
}

function roots(...nodes: readonly string[]): string[] {
  return nodes.map((name) => join(dockerd.directory, name));
}

async function containerIds(): Promise<string[]> {
  const found = await dockerd.engine.listContainers({ all: true });
  return found.map(({ Id, State }) => `${Id} ${State}`).sort();
}

/** Where nobody listens any more. */
function deadSocket(): string {
  const path = join(scratch, 'dead.sock');
  rmSync(path, { force: true });
  // A socket file outlives a process that does not remove it.
  const bind =
    'require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))';
  void run(process.execPath, ['-e', bind, path]);
  return path;
}

async function plainPort(): Promise<number> {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  server.unref();
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      done(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

async function otherCertificates(): Promise<string> {
  const directory = join(scratch, 'other');
  await makeCertificates(directory, far.address);
  return directory;
}

/** It knows the engine, but the engine does not know it. */
async function foreignClient(): Promise<string> {
  const directory = join(scratch, 'foreign');
  await makeCertificates(directory, far.address);
  copyFileSync(join(far.tcp?.certificates ?? '', 'ca.pem'), join(directory, 'ca.pem'));
  return directory;
}

function onlyAuthority(): string {
  const directory = join(scratch, 'authority');
  mkdirSync(directory, { recursive: true });
  copyFileSync(join(far.tcp?.certificates ?? '', 'ca.pem'), join(directory, 'ca.pem'));
  return directory;
}

/** So that the socket itself is what keeps them out. */
function letIn(uid: number, dataDir: string): void {
  chownSync(dataDir, uid, uid);
  for (let path = dirname(dataDir); path !== tmpdir(); path = dirname(path)) chmodSync(path, 0o755);
  for (let path = dirname(dockerd.socketPath); path !== tmpdir(); path = dirname(path)) {
    chmodSync(path, 0o755);
  }
}

async function mountFull(root: string): Promise<void> {
  const image = `${root}.img`;
  await runOk('truncate', ['-s', String(SMALL_BYTES), image]);
  await runOk('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  mkdirSync(root);
  await dockerd.inside('mount', ['-o', 'loop', image, root]);
  const fill = 'dd if=/dev/zero of="$1/ballast" bs=4k 2>/dev/null; sync "$1"';
  const orchestrator = await start('full', ['full']); // makes the node while there is room
  await orchestrator.kill();
  await dockerd.inside('sh', ['-c', fill, 'sh', root]);
}
