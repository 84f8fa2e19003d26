import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LinkOptions, ReplicaLink } from '../../replica/client/replica-link.ts';
import { SECRET_VARIABLE } from '../../replica/common/process-options.ts';
import { OPCODE, PROTOCOL_VERSION, STATUS } from '../../replica/protocol/constants.ts';
import { encodeFrame, type Frame } from '../../replica/protocol/frame.ts';
import { exitOf } from '../support/child.ts';
import { NODE, ROOT } from '../support/keelson.ts';

/** A replica process of its own, with the fuzzer in the place of its controller. */
export interface LoneReplica {
  readonly pid: number;
  /** For another start of a controller, which the replica lets in. */
  linkOptions(): LinkOptions;
  /** Writes and reads a block over a new connection, or throws. */
  serveGoodController(): Promise<void>;
  output(): string;
  stop(): Promise<void>;
}

const HOST = '127.0.0.99';
const PORT = 5703;
const SECRET = Buffer.alloc(32, 0x5e);
const SIZE_BYTES = 64 * 1024 ** 2;
const BLOCK_BYTES = 4096;
const ANSWER_LIMIT_MS = 10_000;

export async function startLoneReplica(): Promise<LoneReplica> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-fuzz-'));
  const words = [
    ...['replica/main.ts', '--volume', 'default/lone', '--volume-id', 'v1', '--replica-id', 'r1'],
    ...['--data-dir', join(directory, 'copy'), '--size', String(SIZE_BYTES)],
    ...['--listen', HOST, '--port', String(PORT)],
  ];
  const child = spawn(NODE, words, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [SECRET_VARIABLE]: SECRET.toString('hex') },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  await whenReady(child, () => output);
  let epoch = 0;
  const linkOptions = (): LinkOptions => {
    epoch += 1;
    const hello = {
      ...{ protocolVersion: PROTOCOL_VERSION, volumeId: 'v1', replicaId: 'r1', dataId: null },
      ...{ session: 0, epoch, instanceId: `fuzzer-${epoch}` },
    };
    return { host: HOST, port: PORT, secret: SECRET, hello };
  };
  return {
    pid: child.pid ?? 0,
    linkOptions,
    serveGoodController: () => writeAndReadBack(linkOptions(), epoch),
    output: () => output,
    async stop() {
      child.kill('SIGKILL');
      await exitOf(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function whenReady(child: ChildProcess, output: () => string): Promise<void> {
  return new Promise((done, fail) => {
    child.once('exit', () => fail(new Error(`start a replica: it ended\n${output()}`)));
    child.stdout?.on('data', () => {
      if (output().includes('ready ')) done();
    });
  });
}

/** WRITE and READ of the first block, with content of this epoch. */
function writeAndReadBack(options: LinkOptions, epoch: number): Promise<void> {
  const block = Buffer.alloc(BLOCK_BYTES, `block of epoch ${epoch} `);
  const range = { offset: 0, length: BLOCK_BYTES };
  return new Promise((done, fail) => {
    const giveUp = (reason: string) => {
      clearTimeout(timer);
      link.close();
      fail(new Error(`a good controller of the replica: ${reason}`));
    };
    const timer = setTimeout(() => giveUp(`no answer in ${ANSWER_LIMIT_MS} ms`), ANSWER_LIMIT_MS);
    const receive = (frame: Frame) => {
      if (frame.status !== STATUS.OK) giveUp(`opcode ${frame.opcode}: status ${frame.status}`);
      if (frame.opcode !== OPCODE.READ_REPLY) return;
      clearTimeout(timer);
      link.close();
      // Compressed it is smaller; that it came back at all is what counts then.
      const isSame = frame.flags !== 0 || frame.payload.equals(block);
      if (isSame) done();
      else fail(new Error('a good controller of the replica: it read something else'));
    };
    const link = new ReplicaLink(options, {
      onUp: (welcome) => {
        const seq = welcome.lastSeq + 1;
        const write = { opcode: OPCODE.WRITE, seq, generation: 1, ...range };
        link.send([
          encodeFrame(write, block),
          encodeFrame({ opcode: OPCODE.READ, seq: seq + 1, ...range }),
        ]);
      },
      onFrames: (frames) => frames.forEach(receive),
      onDown: (_code, reason) => giveUp(reason),
      onDrain: () => undefined,
    });
  });
}
