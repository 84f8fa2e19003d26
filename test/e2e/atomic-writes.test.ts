import { setTimeout as pause } from 'node:timers/promises';
import { makeAtomicWrite, makeRead, SECTOR_BYTES } from '../chaos/initiator/commands.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';
import { eventually } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { SeededRandom } from '../support/random.ts';

/** Few, since a process that ends often is started again later and later; and many volumes. */
const ROUNDS = 3;
const VOLUMES = ['atomic1', 'atomic2', 'atomic3'];
const RANGES_KIB = [60, 260, 4000];
/** The longest that is atomic. */
const LENGTH = 128 * 1024;
const MIN_WRITES_IN_ROUND = 30;
/** After those, the kill comes at any moment of a few writes. */
const MAX_WAIT_MS = 20;

/** One range, across borders of regions, and what a writer has made of it. */
class Writer {
  readonly #initiator: Initiator;
  readonly offsetBytes: number;
  sent = 0;
  acknowledged = 0;
  readonly #data = new SeededRandom(7).bytes(LENGTH);

  constructor(initiator: Initiator, offsetKib: number) {
    this.#initiator = initiator;
    this.offsetBytes = offsetKib * 1024;
  }

  /** Writes numbers that count up, each over the whole range, until the session is lost. */
  async writeUntil(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      this.sent += 1;
      const number = this.sent;
      for (let at = 0; at < LENGTH; at += SECTOR_BYTES) this.#data.writeUInt32LE(number, at);
      const answer = await this.#initiator.execute(makeAtomicWrite(this.offsetBytes, this.#data));
      if (answer.kind === 'good') this.acknowledged = number;
    }
  }

  /** The numbers that its sectors show: one, if all is well. */
  async read(): Promise<number[]> {
    const range = { offsetBytes: this.offsetBytes, lengthBytes: LENGTH };
    const data = await eventually('the volume is read again', async () => {
      const answer = await this.#initiator.execute(makeRead(range, 16));
      return answer.kind === 'good' ? answer.data : undefined;
    });
    const numbers = new Set<number>();
    for (let at = 0; at < LENGTH; at += SECTOR_BYTES) numbers.add(data.readUInt32LE(at));
    return [...numbers];
  }
}

let keelson: Keelson;
const initiators: Initiator[] = [];

beforeAll(async () => {
  keelson = await startKeelson({ isEmpty: true, nodes: 1 });
  // One copy each, which nothing makes equal to another; its controller is killed with it, so that
  // nobody sends again what was under way.
  for (const name of VOLUMES) {
    const { portal, targetName } = await keelson.makeVolume(name, { size: '64Mi', replicas: 0 });
    const [host = '', port] = portal.split(':');
    const target = { host, port: Number(port), targetName };
    const initiatorName = 'iqn.2026-11.io.keelson:atomic';
    initiators.push(new Initiator({ ...target, initiatorName }, () => undefined));
  }
});
afterAll(async () => {
  await Promise.all(initiators.map((initiator) => initiator.stop()));
  await keelson?.stop();
});

test('B3 an atomic write of 128 KiB is there as a whole or not at all, whenever its copy is killed', async () => {
  const random = new SeededRandom(11);
  const writers = initiators.flatMap((initiator) =>
    RANGES_KIB.map((kib) => new Writer(initiator, kib)),
  );
  const torn: string[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    let isOver = false;
    const load = writers.map((writer) => writer.writeUntil(() => isOver));
    const before = total(writers);
    await eventually('atomic writes are answered', () => {
      return total(writers) >= before + MIN_WRITES_IN_ROUND ? true : undefined;
    });
    await pause(random.between(0, MAX_WAIT_MS));
    isOver = true;
    for (const { pid } of keelson.processes()) process.kill(pid, 'SIGKILL');
    await Promise.all(load);
    for (const writer of writers) {
      const numbers = await writer.read();
      const [number = 0] = numbers;
      const { acknowledged, sent, offsetBytes } = writer;
      const isWhole = numbers.length === 1 && number >= acknowledged && number <= sent;
      if (isWhole) continue;
      torn.push(`round ${round}, ${offsetBytes}: ${numbers} of ${acknowledged} to ${sent}`);
    }
  }
  expect(torn).toEqual([]);
});

function total(writers: readonly Writer[]): number {
  return writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
}
