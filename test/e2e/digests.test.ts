import { connect, type Socket } from 'node:net';
import { PduFramer } from '../../controller/iscsi/framer.ts';
import type { Pdu } from '../../controller/iscsi/step.ts';
import { makeRead, makeWrite } from '../chaos/initiator/commands.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';
import { runOk } from '../support/child.ts';
import { makePdu, text, wireBytes } from '../support/initiator-pdus.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { SeededRandom } from '../support/random.ts';

const PORTAL = { host: '127.0.1.1', port: 3260 };
const BOTH = { header: true, data: true };
const MIB = 1024 * 1024;

let keelson: Keelson;

beforeAll(async () => {
  keelson = await startKeelson();
});
afterAll(() => keelson?.stop());

test.each([
  ['header', { header: true, data: false }],
  ['data', { header: false, data: true }],
  ['header and data', BOTH],
])('data is written and read back with digests over %s', async (_, digests) => {
  const random = new SeededRandom(Number(process.env.SEED ?? 20261121));
  process.stderr.write(`seed ${random.seed}\n`);
  const pieces = Array.from({ length: 16 }, (_piece, index) => ({
    offset: index * MIB,
    // Short ones with their command, longer ones by unsolicited data or R2T, in several PDUs.
    data: random.bytes(512 * (1 + random.below(index % 4 === 0 ? 2000 : 40))),
  }));
  const { targetName } = keelson;
  const initiatorName = 'iqn.2026-01.com.example:digests';
  const target = { ...PORTAL, targetName, initiatorName, digests };
  const sessions: string[] = [];
  const initiator = new Initiator(target, (event) => sessions.push(event));
  try {
    await initiator.execute({ cdb: Buffer.alloc(6) }); // takes the unit attention of a new nexus
    for (const { offset, data } of pieces) {
      const write = makeWrite(offset, data, { form: 16, isForced: false });
      expect(await initiator.execute(write)).toMatchObject({ kind: 'good' });
    }
    for (const { offset, data } of pieces) {
      const range = { offsetBytes: offset, lengthBytes: data.length };
      const answer = await initiator.execute(makeRead(range, 16));
      expect(answer.kind === 'good' && answer.data.equals(data)).toBe(true);
    }
  } finally {
    await initiator.stop();
  }
  expect(sessions).toEqual(['logged in', 'session ended: the initiator stopped']);
});

test('qemu writes and reads with a header digest, which is the only one it has', async () => {
  const { host, port } = PORTAL;
  const place = `driver=iscsi,transport=tcp,portal=${host}:${port},target=${keelson.targetName},lun=0`;
  const commands = ['write -P 0x5a 100M 3M', 'read -P 0x5a 100M 3M'];
  await runOk('qemu-io', [
    ...commands.flatMap((command) => ['-c', command]),
    '--image-opts',
    `driver=raw,file.${place.replaceAll(',', ',file.')},file.header-digest=crc32c`,
  ]);
});

test('a write whose data is damaged on its way is rejected and never carried out', async () => {
  const raw = await RawInitiator.logIn(keelson.targetName);
  const write = makePdu({
    ...{ opcode: 0x01, flags: 0xa1, itt: 5, words: { 20: 512, 24: 1 } },
    bytes: { 32: 0x2a, 40: 1 },
    data: Buffer.alloc(512, 0xee),
  });
  const bytes = wireBytes(write, BOTH);
  bytes[100] = 0xef;
  const [before, errorsBefore] = [await blockOne(), await digestErrors()];
  raw.socket.write(bytes);
  const reject = await raw.next();
  expect(reject?.header.toString('hex', 0, 3)).toBe('3f8002');
  expect(reject?.data.equals(write.header)).toBe(true);
  expect(await raw.next()).toBeUndefined();
  expect(await digestErrors()).toBe(errorsBefore + 1);
  expect((await blockOne()).equals(before)).toBe(true);
});

test('a damaged header ends the connection without an answer', async () => {
  const raw = await RawInitiator.logIn(keelson.targetName);
  const bytes = wireBytes(makePdu({ opcode: 0x40, itt: 9, words: { 20: -1 } }), BOTH);
  bytes[19] = 8;
  raw.socket.write(bytes);
  expect(await raw.next()).toBeUndefined();
});

/** What lies where the damaged write would have gone. */
async function blockOne(): Promise<Buffer> {
  const initiatorName = 'iqn.2026-01.com.example:reader';
  const target = { ...PORTAL, targetName: keelson.targetName, initiatorName };
  const initiator = new Initiator(target, () => undefined);
  const read = makeRead({ offsetBytes: 512, lengthBytes: 512 }, 10);
  let answer = await initiator.execute(read);
  if (answer.kind === 'refused') answer = await initiator.execute(read); // a unit attention
  await initiator.stop();
  if (answer.kind !== 'good') throw new Error(`read block 1: ${answer.reason}`);
  return answer.data;
}

async function digestErrors(): Promise<number> {
  const metrics = await (await fetch('http://127.0.1.1:3261/metrics')).text();
  return Number(/^keelson_controller_data_digest_errors_total (\d+)$/m.exec(metrics)?.[1]);
}

/** Sends bytes as they are; hands out PDUs until the target closes. */
class RawInitiator {
  readonly socket: Socket;
  readonly #framer = new PduFramer(8192);
  readonly #pdus: Pdu[] = [];
  #isOver = false;
  #look = (): void => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined); // a reset is an end like any other
    socket.on('data', (chunk: Buffer) => {
      const fault = this.#framer.push(chunk, this.#pdus);
      if (fault !== undefined) throw new Error(fault);
      this.#look();
    });
    socket.on('close', () => {
      this.#isOver = true;
      this.#look();
    });
  }

  static async logIn(targetName: string): Promise<RawInitiator> {
    const raw = new RawInitiator(connect(PORTAL));
    const names = ['InitiatorName=iqn.2026-01.com.example:raw', `TargetName=${targetName}`];
    const keys = ['HeaderDigest=CRC32C', 'DataDigest=CRC32C'];
    const words = { 8: 0x00023d00, 24: 1 };
    const data = text(...names, ...keys);
    raw.socket.write(wireBytes(makePdu({ opcode: 0x43, flags: 0x87, words, data })));
    expect((await raw.next())?.header.readUInt16BE(36)).toBe(0);
    raw.#framer.enterFullFeature({ maxDataBytes: 8192, digests: BOTH });
    return raw;
  }

  /** Undefined when the target closed instead. */
  async next(): Promise<Pdu | undefined> {
    await new Promise<void>((resolve) => {
      this.#look = () => (this.#pdus.length > 0 || this.#isOver) && resolve();
      this.#look();
    });
    return this.#pdus.shift();
  }
}
