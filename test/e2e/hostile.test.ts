import { connect, type Socket } from 'node:net';
import { HEADER_BYTES, OPCODE } from '../../replica/protocol/constants.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { residentMiBOf } from '../support/processes.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';
import { SeededRandom } from '../support/random.ts';

/** Every port that a volume opens to the network. */
const PORTS = [
  { host: '127.0.1.1', port: 3260 },
  { host: '127.0.1.1', port: 3261 },
  { host: '127.0.0.11', port: 5703 },
  { host: '127.0.0.11', port: 5704 },
] as const;

/** A peer that keeps a bad connection open is left alone after this. */
const PATIENCE_MS = 500;
const PATTERN = { byte: 0x77, offset: '8M', length: '1M' };

let keelson: Keelson;
let pids: number[];
let residentMiB: number[];

beforeAll(async () => {
  keelson = await startKeelson();
  await writePattern(keelson.url, PATTERN);
  pids = keelson.processes().map(({ pid }) => pid);
  residentMiB = pids.map(residentMiBOf);
});
afterAll(() => keelson?.stop());

/** Nobody died, nobody hoards memory, and the volume still works. */
afterEach(async () => {
  expect(keelson.processes().map(({ pid }) => pid)).toEqual(pids);
  for (const [index, pid] of pids.entries()) {
    expect(residentMiBOf(pid) - (residentMiB[index] ?? 0)).toBeLessThan(256);
  }
  await expectPattern(keelson.url, PATTERN);
});

test.each(PORTS)('I11 random bytes to port $port end that connection only', async (to) => {
  const random = new SeededRandom(Number(process.env.SEED ?? 20261121));
  process.stderr.write(`seed ${random.seed}\n`);
  await all(40, () => send(to, random.bytes(1 + random.below(16_384))));
});

test('I11 truncated iSCSI requests end that connection only', async () => {
  const login = loginRequest({ dataBytes: 100 });
  await all(login.length, (index) => send(PORTS[0], login.subarray(0, index + 1)));
});

test('I11 an iSCSI request that declares absurd lengths buffers nothing', async () => {
  await all(20, () => send(PORTS[0], loginRequest({ dataBytes: 0xffffff, ahsWords: 255 })));
});

test('I11 truncated replication frames end that connection only', async () => {
  const frame = replicationFrame(OPCODE.HELLO, 0xffff);
  await all(HEADER_BYTES, (index) => send(PORTS[2], frame.subarray(0, index + 1)));
});

test('I11 replication frames that declare absurd lengths buffer nothing', async () => {
  const opcodes = Object.values(OPCODE);
  await all(opcodes.length, (index) =>
    send(PORTS[2], replicationFrame(opcodes[index] ?? 0, 0xffffffff)),
  );
});

test('I11 hundreds of idle half-open connections do not keep an initiator out', async () => {
  const held = PORTS.flatMap((to) => Array.from({ length: 150 }, () => open(to)));
  try {
    await Promise.all(held.map(whenSettled));
    await expectPattern(keelson.url, PATTERN);
  } finally {
    for (const socket of held) socket.destroy();
  }
});

type Endpoint = (typeof PORTS)[number];

async function all(count: number, act: (index: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => act(index)));
}

function open({ host, port }: Endpoint): Socket {
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.on('error', () => undefined); // being refused or reset is a fine answer to all of this
  return socket;
}

/** Sends, half-closes, and waits until the peer closes or has shown that it will not. */
async function send(to: Endpoint, bytes: Buffer): Promise<void> {
  const socket = open(to);
  socket.resume();
  socket.end(bytes);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  await new Promise((done) => socket.once('close', done));
}

function whenSettled(socket: Socket): Promise<void> {
  return new Promise((done) => {
    socket.once('connect', () => done());
    socket.once('close', () => done());
  });
}

/** A login request header (RFC 7143 section 11.12) with whatever lengths it is told to declare. */
function loginRequest({
  dataBytes,
  ahsWords = 0,
}: {
  dataBytes: number;
  ahsWords?: number;
}): Buffer {
  const header = Buffer.alloc(48);
  header[0] = 0x43; // immediate, login request
  header[1] = 0x87; // transit, from login operational negotiation to full feature phase
  header[4] = ahsWords;
  header.writeUIntBE(dataBytes, 5, 3);
  return header;
}

/** The magic and the opcode are right, so that the lengths are looked at; see protocol/frame.ts. */
function replicationFrame(opcode: number, lengths: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('KEEL', 0, 'latin1');
  header[4] = opcode;
  header.writeUInt32LE(lengths, 32);
  header.writeUInt32LE(lengths, 36);
  return header;
}
