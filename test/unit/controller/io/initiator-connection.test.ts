import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { InitiatorConnection } from '../../../../controller/io/initiator-connection.ts';
import { SlabPool } from '../../../../controller/io/slab-pool.ts';
import { type Digests, NO_DIGESTS } from '../../../../controller/iscsi/digest.ts';
import type { Pdu } from '../../../../controller/iscsi/step.ts';
import { makePdu, makeRandom, wireBytes } from '../../../support/initiator-pdus.ts';

/** A connection of the target, and the initiator's end of it. */
interface Pair {
  readonly connection: InitiatorConnection;
  readonly socket: Socket;
  readonly pdus: Pdu[];
  readonly rejections: string[];
  readonly congestion: boolean[];
  isClosed(): boolean;
  /** What the initiator received, once it is this long. */
  received(bytes: number): Promise<Buffer>;
  /** Resolves when the target's end did something. */
  until(isTrue: () => boolean): Promise<void>;
}

let server: Server;
let open: Socket[] = [];

async function makePair(): Promise<Pair> {
  const pdus: Pdu[] = [];
  const rejections: string[] = [];
  const congestion: boolean[] = [];
  let hasClosed = false;
  let look = (): void => undefined;
  const accepted = new Promise<InitiatorConnection>((resolve) => {
    server = createServer({ pauseOnConnect: true }, (socket) =>
      resolve(
        new InitiatorConnection(1, socket, new SlabPool(), {
          onPdus: (_, cut) => {
            pdus.push(...cut);
            look();
          },
          onCongestion: (_, isCongested) => congestion.push(isCongested),
          onClosed: () => {
            hasClosed = true;
            look();
          },
          onRejected: (_, reason) => {
            rejections.push(reason);
            look();
          },
        }),
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  open.push(socket);
  const input: Buffer[] = [];
  let inputBytes = 0;
  socket.on('data', (chunk: Buffer) => {
    input.push(chunk);
    inputBytes += chunk.length;
    look();
  });
  const until = (isTrue: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      look = () => isTrue() && resolve();
      look();
    });
  const connection = await accepted;
  return {
    ...{ connection, socket, pdus, rejections, congestion, until },
    isClosed: () => hasClosed,
    received: async (bytes) => {
      await until(() => inputBytes >= bytes);
      return Buffer.concat(input);
    },
  };
}

afterEach(() => {
  for (const socket of open) socket.destroy();
  open = [];
  server.close();
});

const SIZES = [0, 1, 2, 3, 4, 512, 4096, 16_383, 16_384, 16_385, 100_001, 262_144];
const ALL: [string, Digests][] = [
  ['no digests', NO_DIGESTS],
  ['a header digest', { header: true, data: false }],
  ['a data digest', { header: false, data: true }],
  ['both digests', { header: true, data: true }],
];

function samples(): Pdu[] {
  const random = makeRandom(11);
  return SIZES.map((size, itt) =>
    makePdu({
      ...{ opcode: 0x25, itt },
      data: Buffer.from(Uint8Array.from({ length: size }, () => random() * 256)),
    }),
  );
}

describe('connection of an initiator', () => {
  test.each(ALL)(
    'sends PDUs of all lengths with %s, the login answer without',
    async (_, digests) => {
      const { connection, received } = await makePair();
      const answer = makePdu({ opcode: 0x23, data: Buffer.from('odd') });
      connection.append(answer.header, answer.data);
      connection.enterFullFeature(digests);
      const pdus = [...samples(), ...samples().reverse()];
      for (const { header, data } of pdus) connection.append(header, data);
      connection.flush();
      const expected = Buffer.concat([
        wireBytes(answer),
        ...pdus.map((pdu) => wireBytes(pdu, digests)),
      ]);
      expect((await received(expected.length)).equals(expected)).toBe(true);
    },
  );

  test.each(ALL)('receives PDUs with %s once the login is over', async (_, digests) => {
    const { connection, socket, pdus, until } = await makePair();
    const login = makePdu({ opcode: 0x43, data: Buffer.from('a=b') });
    socket.write(wireBytes(login));
    await until(() => pdus.length === 1);
    connection.enterFullFeature(digests);
    const sent = samples();
    for (const pdu of sent) socket.write(wireBytes(pdu, digests));
    await until(() => pdus.length === 1 + sent.length);
    expect(pdus.map((pdu) => pdu.data.toString('hex', 0, 64))).toEqual(
      [login, ...sent].map((pdu) => pdu.data.toString('hex', 0, 64)),
    );
    expect(pdus.some(({ isDamaged }) => isDamaged)).toBe(false);
  });

  test('is cut when a header is damaged, behind the PDUs before it', async () => {
    const { connection, socket, pdus, rejections, until } = await makePair();
    connection.enterFullFeature({ header: true, data: true });
    const [pdu] = samples() as [Pdu];
    const wrong = wireBytes(pdu, { header: true, data: true });
    wrong[17] = 0xff;
    socket.write(Buffer.concat([wireBytes(pdu, { header: true, data: true }), wrong]));
    await until(() => rejections.length === 1);
    expect(rejections).toEqual(['header digest error']);
    expect(pdus).toHaveLength(1);
  });

  test('is cut when a login request is longer than 8 KiB', async () => {
    const { socket, rejections, until } = await makePair();
    socket.write(wireBytes(makePdu({ opcode: 0x43, data: Buffer.alloc(8193) })));
    await until(() => rejections.length === 1);
    expect(rejections).toEqual(['data segment of 8193 bytes, limit 8192']);
  });

  test('is cut when a data segment is longer than what we declared', async () => {
    const { connection, socket, rejections, until } = await makePair();
    connection.enterFullFeature(NO_DIGESTS);
    socket.write(wireBytes(makePdu({ opcode: 0x05, data: Buffer.alloc(262_145) })));
    await until(() => rejections.length === 1);
    expect(rejections).toEqual(['data segment of 262145 bytes, limit 262144']);
  });

  test('that is held stays so when its answers are read again', async () => {
    const { connection, socket, pdus, received, until, congestion } = await makePair();
    connection.enterFullFeature(NO_DIGESTS);
    socket.pause();
    const big = makePdu({ opcode: 0x25, data: Buffer.alloc(262_144) });
    for (let count = 0; count < 160; count += 1) connection.append(big.header, big.data);
    connection.flush();
    connection.hold(true);
    socket.resume();
    expect(congestion).toEqual([true]);
    await received(160 * (48 + 262_144));
    expect(congestion).toEqual([true, false]);
    await new Promise((sent) => socket.write(wireBytes(makePdu({ opcode: 0x00 })), sent));
    // It lies in the target's socket now, and would be read in the next turn of the event loop.
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
    expect(pdus).toEqual([]);
    connection.hold(false);
    await until(() => pdus.length === 1);
  });

  test('is cut off when it does not take what is left for it', async () => {
    const { connection, socket, until, isClosed } = await makePair();
    socket.pause();
    const big = makePdu({ opcode: 0x25, data: Buffer.alloc(262_144) });
    for (let count = 0; count < 160; count += 1) connection.append(big.header, big.data);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    connection.end();
    jest.advanceTimersByTime(4_999);
    expect(isClosed()).toBe(false);
    jest.advanceTimersByTime(1);
    jest.useRealTimers();
    await until(isClosed);
  });
});
