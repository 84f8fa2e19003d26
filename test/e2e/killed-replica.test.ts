import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SECRET_VARIABLE } from '../../replica/common/process-options.ts';
import { FLAG, OPCODE, STATUS } from '../../replica/protocol/constants.ts';
import { encodeFrame } from '../../replica/protocol/frame.ts';
import { eventually } from '../support/child.ts';
import { NODE, ROOT } from '../support/keelson.ts';
import { SeededRandom } from '../support/random.ts';
import { TestClient } from '../unit/replica/support/test-client.ts';

const HOST = '127.0.0.98';
const SECRET = Buffer.alloc(32, 0x5e);
const SIZE = 64 * 1024 ** 2;
const SECTOR_BYTES = 512;
/** The longest that is atomic. */
const LENGTH = 128 * 1024;
/** Across borders of regions, where the page cache has several pieces of it. */
const OFFSETS = [60, 260, 4000].map((kib) => kib * 1024);
const KILLS = 20;
const BURST = 120;
/** About as long as a burst takes. */
const MAX_WAIT_MS = 20;

/** One range: the numbers that were written to it count up. */
interface Range {
  readonly offset: number;
  sent: number;
  answered: number;
}

let directory: string;
let child: ChildProcess | undefined;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-killed-'));
});
afterAll(async () => {
  await kill();
  rmSync(directory, { recursive: true });
});

/** Returns its port. */
async function start(): Promise<number> {
  const words = [
    ...['replica/main.ts', '--volume', 'default/killed', '--volume-id', 'v1', '--replica-id', 'r1'],
    ...['--data-dir', join(directory, 'copy'), '--size', String(SIZE), '--listen', HOST],
    ...['--port', '0', '--admin-port', '0'],
  ];
  const env = { ...process.env, [SECRET_VARIABLE]: SECRET.toString('hex') };
  child = spawn(NODE, words, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(child.stdout!.setEncoding('utf8'), 'data');
  return Number(/^ready .*:(\d+)\n/.exec(String(line))?.[1]);
}

async function kill(): Promise<void> {
  const ending = child;
  child = undefined;
  if (ending === undefined) return;
  const exited = once(ending, 'exit');
  ending.kill('SIGKILL');
  await exited;
}

/** Writes that are sent at once, so that the replica is busy with nothing else when it is killed. */
function makeBurst(firstSeq: number, ranges: readonly Range[]) {
  const data = new SeededRandom(firstSeq).bytes(LENGTH);
  const writes = Array.from({ length: BURST }, (_, index) => {
    const range = ranges[index % ranges.length]!;
    range.sent += 1;
    for (let at = 0; at < LENGTH; at += SECTOR_BYTES) data.writeUInt32LE(range.sent, at);
    const fields = { opcode: OPCODE.WRITE, flags: FLAG.ATOMIC, seq: firstSeq + index };
    const { offset, sent: number } = range;
    const bytes = encodeFrame({ ...fields, generation: 1, offset, length: LENGTH }, data);
    return { range, number, bytes };
  });
  return { bytes: Buffer.concat(writes.map(({ bytes }) => bytes)), writes };
}

/** Notes what is answered until the connection is gone. */
async function receive(
  client: TestClient,
  firstSeq: number,
  writes: readonly { readonly range: Range; readonly number: number }[],
): Promise<void> {
  for (let reply = await client.next(); reply !== undefined; reply = await client.next()) {
    expect(reply.status).toBe(STATUS.OK);
    const { range, number } = writes[reply.seq - firstSeq]!;
    range.answered = number;
  }
}

/** The numbers in the sectors of a range, as the data file has them. */
function numbersIn({ offset }: Range): number[] {
  const fd = openSync(join(directory, 'copy', 'data'), 'r');
  const bytes = Buffer.alloc(LENGTH);
  readSync(fd, bytes, 0, LENGTH, offset);
  closeSync(fd);
  const numbers = new Set<number>();
  for (let at = 0; at < LENGTH; at += SECTOR_BYTES) numbers.add(bytes.readUInt32LE(at));
  return [...numbers];
}

test('B3 a replica that is killed at any moment has each atomic write as a whole or not at all, before it serves', async () => {
  const random = new SeededRandom(11);
  const ranges = OFFSETS.map((offset): Range => ({ offset, sent: 0, answered: 0 }));
  const torn: string[] = [];
  let port = await start();
  for (let round = 1; round <= KILLS; round += 1) {
    const client = new TestClient(HOST, port);
    const welcome = await client.hello(SECRET, { epoch: round, instanceId: `i${round}` });
    if (welcome === undefined || !('lastSeq' in welcome))
      throw new Error('the replica is not let in');
    const firstSeq = welcome.lastSeq + 1;
    const { bytes, writes } = makeBurst(firstSeq, ranges);
    const receiving = receive(client, firstSeq, writes);
    const before = ranges[0]!.answered;
    client.sendBytes(bytes);
    await eventually('a write is answered', () => ranges[0]!.answered > before || undefined);
    await pause(random.between(0, MAX_WAIT_MS));
    await kill();
    await receiving;
    port = await start();
    for (const range of ranges) {
      const numbers = numbersIn(range);
      const [number = 0] = numbers;
      const isWhole = numbers.length === 1 && number >= range.answered && number <= range.sent;
      if (!isWhole) torn.push(`round ${round}: ${numbers} of ${range.answered} to ${range.sent}`);
    }
  }
  expect(torn).toEqual([]);
});
