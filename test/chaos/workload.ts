import { setTimeout as pause } from 'node:timers/promises';
import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import type { SeededRandom } from '../support/random.ts';
import { fillBlock, readBlock, type Stamp } from './blocks.ts';
import type { Answer } from './initiator/answers.ts';
import {
  type CdbForm,
  makeFlush,
  makeRead,
  makeUnmap,
  makeWrite,
  type ScsiCommand,
} from './initiator/commands.ts';
import type { Initiator } from './initiator/initiator.ts';
import { type BlockRange, Oracle, type WriteHandle } from './oracle.ts';
import type { Tally } from './tally.ts';
import type { Verdict } from './verdict.ts';

export interface WorkloadOptions {
  readonly name: string;
  /** Written into every block. */
  readonly volume: number;
  readonly blockCount: number;
  readonly initiator: Initiator;
  readonly random: SeededRandom;
  readonly tally: Tally;
  readonly verdict: Verdict;
  /** Commands under way at a time. */
  readonly depth?: number;
}

const DEFAULT_DEPTH = 12;

/** Between two commands of one worker: leaves some CPU to those who must recover. */
const MAX_THINK_MS = 12;

/** Before a refused command is tried again. */
const RETRY_MS = 50;

/** Some I/O goes to these first blocks always, so that operations meet. */
const HOT_BLOCKS = 48;

/**
 * Most of it goes to a few places that all workers share for a moment and then leave: what a fault
 * did to a copy there is not soon covered by newer writes, and is still there when it is compared.
 */
const PLACE_COUNT = 12;
const PLACE_MS = 700;

const MAX_BLOCKS = 256;
const CHECK_BLOCKS = 256;

const GIVEN_UP: Answer = { kind: 'lost', reason: 'given up' };

/** Verified random I/O on one volume: every read must be one that a single disk could have given. */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly #oracle: Oracle;
  #isRunning = false;
  #places: readonly number[] = [];
  #placesEndMs = 0;
  #workers: Promise<void>[] = [];

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#oracle = new Oracle(options.blockCount);
  }

  start(): void {
    const { depth = DEFAULT_DEPTH } = this.#options;
    this.#isRunning = true;
    this.#workers = Array.from({ length: depth }, () => this.#work());
  }

  /** Resolves when the last command is answered. */
  async pause(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#workers);
  }

  /** Reads the whole volume. */
  async verify(): Promise<void> {
    const { blockCount } = this.#options;
    for (let first = 0; first < blockCount && !this.#isOver; first += CHECK_BLOCKS) {
      await this.#read({ first, count: Math.min(CHECK_BLOCKS, blockCount - first) });
    }
  }

  /** Writes every block once. Only while paused. */
  async fill(): Promise<void> {
    const { blockCount } = this.#options;
    for (let first = 0; first < blockCount && !this.#isOver; first += MAX_BLOCKS) {
      const count = Math.min(MAX_BLOCKS, blockCount - first);
      await this.#write({ first, count }, false);
    }
  }

  /** Makes a quarter of the volume a hole again. Only while paused. */
  async trim(): Promise<void> {
    const { blockCount, random } = this.#options;
    const count = Math.floor(blockCount / 4);
    const range = { first: random.below(blockCount - count), count };
    const isTrimmed = await this.#repeat('trim', () => this.#execute(makeUnmap(inBytes(range))));
    if (isTrimmed !== undefined) this.#oracle.clear(range);
  }

  get #isOver(): boolean {
    return this.#options.verdict.signal.aborted;
  }

  async #work(): Promise<void> {
    const { random } = this.#options;
    while (this.#isRunning && !this.#isOver) {
      const draw = random.below(100);
      if (draw < 42) await this.#write(this.#chooseRange(), false);
      else if (draw < 50) await this.#write(this.#chooseRange(), true);
      else if (draw < 94) await this.#read(this.#chooseRange());
      else await this.#repeat('flush', () => this.#execute(makeFlush()));
      await pause(random.below(MAX_THINK_MS));
    }
  }

  #chooseRange(): BlockRange {
    const { random, blockCount } = this.#options;
    const size = random.below(100);
    const count = size < 60 ? 1 : 1 + random.below(size < 97 ? 16 : MAX_BLOCKS);
    const where = random.below(100);
    if (where < 25) return { first: random.below(HOT_BLOCKS), count };
    if (where < 35) return { first: random.below(blockCount - count), count };
    const place = this.#currentPlaces()[random.below(PLACE_COUNT)] as number;
    return { first: Math.min(place + random.below(4), blockCount - count), count };
  }

  #currentPlaces(): readonly number[] {
    const { random, blockCount } = this.#options;
    const nowMs = performance.now();
    if (nowMs >= this.#placesEndMs) {
      this.#places = Array.from({ length: PLACE_COUNT }, () => random.below(blockCount));
      this.#placesEndMs = nowMs + PLACE_MS;
    }
    return this.#places;
  }

  async #read(range: BlockRange): Promise<void> {
    await this.#repeat('read', async () => {
      const read = this.#oracle.beginRead(range);
      const answer = await this.#execute(makeRead(inBytes(range), this.#chooseForm()));
      if (answer.kind !== 'good') {
        read.cancel();
        return answer;
      }
      const stamps = this.#stampsOf(range, answer.data);
      const fault = typeof stamps === 'string' ? stamps : read.end(stamps);
      if (fault !== undefined) this.#fail(`a read of ${JSON.stringify(range)}: ${fault}`);
      return answer;
    });
  }

  /**
   * Repeats the write as a kernel does, or gives up after the first loss, as after a crash of the
   * initiator: a repetition would cover whatever the lost attempt did to one copy only.
   */
  async #write(range: BlockRange, isForced: boolean): Promise<void> {
    const earlier: WriteHandle[] = [];
    const isPersistent = this.#options.random.below(2) === 0;
    await this.#repeat('write', async () => {
      if (earlier.length > 0 && !isPersistent) return GIVEN_UP;
      const stamp = this.#oracle.nextStamp();
      const data = this.#makeData(range, stamp);
      const form = this.#chooseForm();
      const write = this.#oracle.beginWrite(stamp, range);
      const command = makeWrite(range.first * BLOCK_BYTES, data, { form, isForced });
      const answer = await this.#execute(command);
      if (answer.kind === 'good') {
        write.acknowledge();
        for (const attempt of earlier) attempt.supersede();
      } else {
        earlier.push(write);
      }
      return answer;
    });
  }

  /** Tries again until it succeeds, or until the run is over. */
  async #repeat(what: string, attempt: () => Promise<Answer>): Promise<Answer | undefined> {
    const { tally, name } = this.#options;
    const startMs = performance.now();
    while (!this.#isOver) {
      const answer = await attempt();
      if (answer.kind === 'good') {
        tally.done(what, performance.now() - startMs, `${what} on ${name}`);
        return answer;
      }
      if (answer === GIVEN_UP) return undefined;
      tally.retried(what);
      if (answer.kind === 'refused') {
        tally.refused(answer.reason);
        if (!answer.isExpected) this.#fail(`a ${what} was refused: ${answer.reason}`);
        await pause(RETRY_MS);
      }
    }
    return undefined;
  }

  #execute(command: ScsiCommand): Promise<Answer> {
    return this.#options.initiator.execute(command);
  }

  #chooseForm(): CdbForm {
    return this.#options.random.below(2) === 0 ? 10 : 16;
  }

  #makeData({ first, count }: BlockRange, stamp: Stamp): Buffer {
    const data = Buffer.allocUnsafe(count * BLOCK_BYTES);
    for (let index = 0; index < count; index += 1) {
      fillBlock(blockAt(data, index), this.#placeOf(first + index), stamp);
    }
    return data;
  }

  #stampsOf({ first, count }: BlockRange, data: Buffer): Stamp[] | string {
    const stamps: Stamp[] = [];
    for (let index = 0; index < count; index += 1) {
      const stamp = readBlock(blockAt(data, index), this.#placeOf(first + index));
      if (typeof stamp === 'string') return `block ${first + index} shows ${stamp}`;
      stamps.push(stamp);
    }
    return stamps;
  }

  #placeOf(block: number): { volume: number; block: number } {
    return { volume: this.#options.volume, block };
  }

  #fail(reason: string): void {
    this.#options.verdict.fail(`volume ${this.#options.name}: ${reason}`);
  }
}

function blockAt(data: Buffer, index: number): Buffer {
  return data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
}

function inBytes({ first, count }: BlockRange): { offsetBytes: number; lengthBytes: number } {
  return { offsetBytes: first * BLOCK_BYTES, lengthBytes: count * BLOCK_BYTES };
}
