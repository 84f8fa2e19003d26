import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLAG, HEADER_BYTES, OPCODE, STATUS } from '../../../../replica/protocol/constants.ts';
import { encodeFrame } from '../../../../replica/protocol/frame.ts';
import type { Refusal, Welcome } from '../../../../replica/protocol/hello.ts';
import { TestClient } from '../support/test-client.ts';

/** Sessions of an epoch are numbered from here, times the epoch (I5). */
const EPOCH = 2 ** 20;
const HOST = '127.77.0.11';
const SECRET = Buffer.alloc(32, 0x5e);
const SIZE = 1024 * 1024;
const BLOCK = Buffer.alloc(4096, 0x42);

const compileCache = join(tmpdir(), 'keelson-test-compile-cache');

let directory: string;
const children = new Set<ChildProcess>();
const clients = new Set<TestClient>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-replica-'));
});

afterEach(async () => {
  for (const client of clients) client.close();
  clients.clear();
  for (const child of children) await kill(child, 'SIGKILL');
  rmSync(directory, { recursive: true });
});

function spawnReplica(change: Record<string, string> = {}, secret = SECRET.toString('hex')) {
  const values = {
    ...{ 'volume-id': 'v1', volume: 'default/demo', 'replica-id': 'r1', 'data-dir': directory },
    ...{ size: String(SIZE), listen: HOST, port: '0', 'admin-port': '0', ...change },
  };
  const main = join(__dirname, '../../../../replica/main.ts');
  const args = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    env: { ...process.env, KEELSON_VOLUME_SECRET: secret, NODE_COMPILE_CACHE: compileCache },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const errors: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  return { child, errors: () => errors.join('') };
}

async function startReplica() {
  const { child, errors } = spawnReplica();
  const [line] = await Promise.race([
    once(child.stdout!.setEncoding('utf8'), 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(errors()))),
  ]);
  expect(line).toMatch(new RegExp(`^ready ${HOST}:\\d+\n$`));
  return { child, errors, port: Number(String(line).trim().split(':')[1]) };
}

/** Waits for the exit of a replica that cannot start. */
async function failingStart(change: Record<string, string>, secret?: string) {
  const { child, errors } = spawnReplica(change, secret);
  const [code] = await once(child, 'close');
  children.delete(child);
  return { code, sentence: errors() };
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(child, 'exit');
  child.kill(signal);
  const [code] = await exited;
  children.delete(child);
  return code;
}

function open(port: number): TestClient {
  const client = new TestClient(HOST, port);
  clients.add(client);
  return client;
}

test('replica process, writes, reads, flushes and trims; keeps the data over kill -9 and a clean stop', async () => {
  const first = await startReplica();
  let client = open(first.port);
  const fresh = (await client.hello(SECRET)) as Welcome;
  expect(fresh).toMatchObject({ sizeBytes: SIZE, isPristine: true, session: 1 * EPOCH });
  expect(fresh).toMatchObject({ restart: 'none', tail: [], leases: [] });

  const write = { opcode: OPCODE.WRITE, offset: 8192, length: 4096, generation: 2 };
  expect((await client.request(write, BLOCK)).opcode).toBe(OPCODE.WRITE_REPLY);
  const fua = { ...write, offset: 0, flags: FLAG.FUA };
  expect((await client.request(fua, BLOCK)).status).toBe(STATUS.OK);
  expect((await client.request({ opcode: OPCODE.FLUSH })).opcode).toBe(OPCODE.FLUSH_REPLY);
  const trim = { opcode: OPCODE.TRIM, offset: 0, length: 4096, generation: 2 };
  expect((await client.request(trim)).status).toBe(STATUS.OK);
  const read = { opcode: OPCODE.READ, length: 4096 };
  expect(await client.request({ ...read, offset: 0 })).toMatchObject({ flags: FLAG.ZERO });
  const beyond = { ...read, offset: SIZE };
  expect((await client.request(beyond)).status).toBe(STATUS.INVALID);

  await kill(first.child, 'SIGKILL');
  const second = await startReplica();
  client = open(second.port);
  const dataId = fresh.dataId;
  const again = await client.hello(SECRET, { dataId, epoch: 2, instanceId: 'i2' });
  const expected = { dataId, isPristine: false, session: 2 * EPOCH, restart: 'killed' };
  expect(again).toMatchObject({ ...expected, tail: [{ start: 0, end: SIZE }] });
  const reply = await client.request({ ...read, offset: 8192 });
  expect([reply.flags, reply.length]).toEqual([FLAG.LZ4, 4096]);
  const raw = { ...read, offset: 8192, length: 4 };
  expect((await client.request(raw)).payload).toEqual(BLOCK.subarray(0, 4));

  // What was in doubt since the kill was compared: the copy is whole.
  expect((await client.request({ opcode: OPCODE.CHECKPOINT })).status).toBe(STATUS.OK);
  expect((await client.request({ opcode: OPCODE.GOODBYE, stableSeq: 9 })).status).toBe(STATUS.OK);
  expect(await kill(second.child, 'SIGTERM')).toBe(0);
  const third = await startReplica();
  const clean = await open(third.port).hello(SECRET, { epoch: 3, instanceId: 'i3' });
  expect(clean).toMatchObject({ session: 3 * EPOCH, restart: 'none', tail: [] });
});

test('replica process, cuts strangers and garbage and serves the rest, whatever they send', async () => {
  const { child, port, errors } = await startReplica();
  const client = open(port);
  await client.hello(SECRET);

  const wrongSecret = open(port);
  expect(await wrongSecret.hello(Buffer.alloc(32, 1), { epoch: 9 })).toBeUndefined();
  const absurd = encodeFrame({ opcode: OPCODE.WRITE, length: 4096 });
  absurd.writeUInt32LE(0xffffffff, 40);
  const noHello = encodeFrame({ opcode: OPCODE.WRITE, length: 4096 }, BLOCK);
  const endless = encodeFrame({ opcode: OPCODE.WRITE });
  endless.writeUInt32LE(4 * 1024 * 1024, 40); // allowed for a write, not for a stranger
  for (const bytes of [
    ...[Buffer.from('GET / HTTP/1.1\r\nHost: keelson.example.com\r\nAccept: */*\r\n\r\n')],
    ...[Buffer.alloc(HEADER_BYTES), absurd, noHello],
    Buffer.concat([endless, Buffer.alloc(70_000)]),
  ]) {
    const stranger = open(port);
    await stranger.next();
    stranger.sendBytes(bytes);
    await stranger.closed;
  }
  const old = open(port);
  expect(((await old.hello(SECRET, { volumeId: 'v2' })) as Refusal).code).toBe('WRONG_IDENTITY');

  expect((await client.request({ opcode: OPCODE.HEARTBEAT })).status).toBe(STATUS.OK);
  client.sendBytes(Buffer.alloc(HEADER_BYTES, 0xff));
  await client.closed;
  const next = open(port);
  expect(await next.hello(SECRET)).toMatchObject({ session: EPOCH + 1 });
  expect(child.exitCode).toBeNull();
  expect(errors().match(/connection rejected/g)).toHaveLength(1);
  expect(errors()).not.toContain(SECRET.toString('hex'));
});

test('replica process, holds at most 16 strangers, and its controller is not one of them', async () => {
  const { port } = await startReplica();
  const controller = open(port);
  await controller.hello(SECRET);
  const held = Array.from({ length: 16 }, () => open(port));
  for (const stranger of held) await stranger.next();
  const refused = open(port);
  await refused.closed;
  expect((await controller.request({ opcode: OPCODE.HEARTBEAT })).status).toBe(STATUS.OK);
  held[0]!.close();
  await held[0]!.closed;
});

test('replica process, bounds what it owes, when its peer asks for much and reads nothing', async () => {
  const { child, port } = await startReplica();
  const client = open(port);
  await client.hello(SECRET);
  const random = Buffer.from(Array.from({ length: SIZE }, (_, at) => (at * at * 31 + at) >> 3));
  await client.request({ opcode: OPCODE.WRITE, length: SIZE, generation: 1 }, random);
  const frames = Array.from({ length: 1000 }, (_, index) =>
    encodeFrame({ opcode: OPCODE.READ, seq: 100 + index, length: SIZE }),
  );
  client.pause();
  client.sendBytes(Buffer.concat(frames));
  const prober = connect(port, HOST); // answered after the turn that took the reads
  await once(prober, 'data');
  prober.destroy();
  const rssKib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1];
  expect(Number(rssKib)).toBeLessThan(250 * 1024);
});

test('replica process, says in one sentence why it cannot start', async () => {
  const { port } = await startReplica();
  const other = mkdtempSync(join(tmpdir(), 'keelson-replica-'));
  try {
    const locked = await failingStart({});
    expect(locked).toMatchObject({ code: 1, sentence: expect.stringContaining('locked by') });
    const taken = await failingStart({ 'data-dir': other, port: String(port) });
    expect(taken).toMatchObject({ code: 1, sentence: expect.stringContaining('port is in use') });
    const foreign = await failingStart({ 'data-dir': other, 'replica-id': 'r2' });
    expect(foreign.sentence).toMatch('it belongs to replicaId r1, expected r2');
    writeFileSync(join(other, 'metadata'), Buffer.alloc(8192));
    const corrupt = await failingStart({ 'data-dir': other });
    expect(corrupt).toMatchObject({ code: 1, sentence: expect.stringContaining('slot 1') });
    const secretless = await failingStart({ 'data-dir': other }, '');
    expect(secretless).toMatchObject({ code: 2 });
    for (const { sentence } of [locked, taken, foreign, corrupt, secretless]) {
      expect(sentence.trim().split('\n')).toHaveLength(1);
    }
  } finally {
    rmSync(other, { recursive: true });
  }
});
