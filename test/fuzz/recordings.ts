import { connect, createServer, type Socket } from 'node:net';
import { IMMEDIATE, REQUEST } from '../../controller/iscsi/constants.ts';
import { OPCODE, PROTOCOL_VERSION } from '../../replica/protocol/constants.ts';
import { encodeFrame } from '../../replica/protocol/frame.ts';
import { encodeJson, PROOF_BYTES } from '../../replica/protocol/hello.ts';
import { makeFlush, makeRead, makeUnmap, makeWrite } from '../chaos/initiator/commands.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';
import { makePdu, text, wireBytes } from '../support/initiator-pdus.ts';
import type { SeededRandom } from '../support/random.ts';
import { mutateJson } from './json.ts';
import { iscsiSession } from './targets/iscsi-session.ts';

/** Away from the block that the good initiator looks at. */
const START_BYTES = 1024 ** 2;

/** What an initiator sends that logs in, writes, reads, unmaps and flushes: its login, then the rest. */
export async function recordConversation(to: {
  host: string;
  port: number;
  targetName: string;
}): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  const proxy = createServer((client) => forward(client, to, parts));
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  const { port } = proxy.address() as { port: number };
  const initiatorName = 'iqn.2026-11.io.keelson:recorded';
  const target = { host: '127.0.0.1', port, targetName: to.targetName, initiatorName };
  const initiator = new Initiator(target, () => undefined);
  try {
    const range = { offsetBytes: START_BYTES, lengthBytes: 128 * 1024 };
    const data = Buffer.alloc(range.lengthBytes, 'recorded ');
    await initiator.execute(makeRead({ ...range, lengthBytes: 512 }, 10));
    await initiator.execute(makeWrite(START_BYTES, data, { form: 16, isForced: true }));
    await initiator.execute(makeRead(range, 16));
    await initiator.execute(makeUnmap(range));
    await initiator.execute(makeFlush());
  } finally {
    await initiator.stop();
    proxy.close();
  }
  return parts;
}

function forward(client: Socket, to: { host: string; port: number }, parts: Buffer[]): void {
  const target = connect(to);
  client.on('data', (chunk: Buffer) => {
    parts.push(Buffer.from(chunk));
    target.write(chunk);
  });
  target.on('data', (chunk: Buffer) => client.write(chunk));
  for (const [from, other] of [
    [client, target],
    [target, client],
  ] as const) {
    from.on('error', () => other.destroy());
    from.on('close', () => other.destroy());
  }
}

/** A sound login, then whatever a fuzzed session would say. */
export function loginAndStream(targetName: string, random: SeededRandom): Buffer[] {
  const login = makePdu({
    opcode: REQUEST.LOGIN | IMMEDIATE,
    flags: 0x87,
    words: { 8: 0x00023d00, 24: 100 },
    bytes: { 13: random.below(8) },
    data: text(`InitiatorName=iqn.2026-11.io.keelson:x`, `TargetName=${targetName}`),
  });
  // Its first byte chooses keys of the login, which are settled here.
  return [wireBytes(login), iscsiSession.generate(random).subarray(1)];
}

/** What somebody without the secret may say to a replica. */
export function strangersFrames(random: SeededRandom): Buffer[] {
  const hello = {
    ...{ protocolVersion: PROTOCOL_VERSION, volumeId: 'v1', replicaId: 'r1', dataId: null },
    ...{ session: 0, epoch: 1, instanceId: 'stranger', nonce: 'ab'.repeat(32) },
  };
  const json = random.chance(0.5) ? encodeJson(hello) : mutateJson(encodeJson(hello), random);
  const payload = Buffer.concat([random.bytes(PROOF_BYTES), json]);
  const opcode = random.chance(0.7) ? OPCODE.HELLO : random.pick(Object.values(OPCODE));
  return [encodeFrame({ opcode }, payload), encodeFrame({ opcode: OPCODE.WRITE }, payload)];
}
