import { connect } from 'node:net';
import { eventually } from '../support/child.ts';
import { makePdu, text, wireBytes } from '../support/initiator-pdus.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { residentMiBOf } from '../support/processes.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';

const PORTAL = { host: '127.0.1.1', port: 3260 };
const READS = 128;
const READ_BLOCKS = 8192;
const READ_BYTES = READ_BLOCKS * 512;
const PATTERN = { byte: 0x33, offset: '0', length: '64M' };
/** 128 MiB of reads under way, 32 MiB in the socket, and what the collector has not seen yet. */
const MAX_GROWTH_MIB = 320;

let keelson: Keelson;

beforeAll(async () => {
  keelson = await startKeelson();
  await writePattern(keelson.url, PATTERN);
});
afterAll(() => keelson?.stop());

test(`I11 an initiator that asks for ${READS * 4} MiB and reads none of it costs a part of that, and nobody else notices`, async () => {
  const { pid } = keelson.controller();
  const before = residentMiBOf(pid);
  const socket = connect(PORTAL);
  socket.on('error', () => undefined); // cut off in the end
  socket.pause();
  socket.write(wireBytes(makeLogin()));
  for (let index = 0; index < READS; index += 1) {
    // Each waits for the login to be through; the target takes no command before.
    if (index === 0) await eventually('the session is there', hasSession);
    socket.write(wireBytes(makeRead(index)));
  }
  try {
    let most = 0;
    for (let round = 0; round < 5; round += 1) {
      await expectPattern(keelson.url, PATTERN);
      most = Math.max(most, residentMiBOf(pid) - before);
    }
    process.stderr.write(`grew by ${most.toFixed(0)} MiB\n`);
    expect(most).toBeLessThan(MAX_GROWTH_MIB);
    // All but the first, which brings the unit attention of a new nexus instead.
    const all = (READS - 1) * (48 + READ_BYTES);
    expect(await receivedOf(socket, all)).toBeGreaterThanOrEqual(all);
  } finally {
    socket.destroy();
  }
});

async function hasSession(): Promise<true | undefined> {
  return (await keelson.status()).target.sessions > 0 ? true : undefined;
}

function receivedOf(socket: ReturnType<typeof connect>, bytes: number): Promise<number> {
  return new Promise((resolve) => {
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= bytes) resolve(received);
    });
    socket.on('close', () => resolve(received));
    socket.resume();
  });
}

function makeLogin() {
  const names = [
    'InitiatorName=iqn.2026-01.com.example:greedy',
    `TargetName=${keelson.targetName}`,
  ];
  const keys = ['MaxRecvDataSegmentLength=16776192', 'MaxBurstLength=16776192'];
  return makePdu({
    ...{ opcode: 0x43, flags: 0x87, words: { 8: 0x00023d00, 24: 1 } },
    data: text(...names, ...keys),
  });
}

/** READ (10). */
function makeRead(index: number) {
  return makePdu({
    ...{ opcode: 0x01, flags: 0xc1, itt: index },
    words: { 20: READ_BYTES, 24: 1 + index },
    bytes: { 32: 0x28, 39: READ_BLOCKS >> 8, 40: READ_BLOCKS & 255 },
  });
}
