import { messageOf } from '../../replica/common/errors.ts';
import { SeededRandom } from '../support/random.ts';
import { shrink } from './shrink.ts';
import type { FuzzTarget } from './target.ts';

export interface Finding {
  readonly target: string;
  readonly message: string;
  /** As small as it could be made. */
  readonly input: Buffer;
  /** What makes it again, unshrunk: the seed of the run and the number of the case. */
  readonly seed: number;
  readonly caseNumber: number;
}

export interface Tally {
  readonly target: string;
  cases: number;
  /** The longest that one case took. */
  slowestMs: number;
}

/** A target that fails this often has one cause or is given to its owner first. */
const MAX_FINDINGS = 5;

/** A case takes well below 100 ms; on a busy machine this is still no coincidence. */
const HANG_MS = 10_000;

/** Makes and checks inputs of one target; the same seed makes the same ones, whatever their number. */
export class Fuzzer {
  readonly tally: Tally;
  readonly findings: Finding[] = [];
  readonly #target: FuzzTarget;
  readonly #seed: number;

  constructor(target: FuzzTarget, seed: number) {
    this.#target = target;
    this.#seed = seed;
    this.tally = { target: target.name, cases: 0, slowestMs: 0 };
  }

  get isExhausted(): boolean {
    return this.findings.length >= MAX_FINDINGS;
  }

  /** One case. Returns what it found, unless that was found before. */
  runOne(): Finding | undefined {
    const caseNumber = this.tally.cases;
    this.tally.cases += 1;
    const input = this.#target.generate(randomOf(this.#seed, this.#target.name, caseNumber));
    const message = this.#messageFor(input);
    if (message === undefined) return undefined;
    if (this.findings.some((known) => kindOf(known.message) === kindOf(message))) return undefined;
    const small = shrink(input, (candidate) => {
      const other = whyFails(this.#target, candidate);
      return other !== undefined && kindOf(other) === kindOf(message);
    });
    const target = this.#target.name;
    const finding = { target, message, input: small, seed: this.#seed, caseNumber };
    this.findings.push(finding);
    return finding;
  }

  #messageFor(input: Buffer): string | undefined {
    const startMs = performance.now();
    const message = whyFails(this.#target, input);
    const tookMs = performance.now() - startMs;
    this.tally.slowestMs = Math.max(this.tally.slowestMs, tookMs);
    return message ?? (tookMs > HANG_MS ? `took ${Math.round(tookMs)} ms` : undefined);
  }
}

/** Why an input fails, or undefined. */
export function whyFails(target: FuzzTarget, input: Buffer): string | undefined {
  try {
    target.check(input);
    return undefined;
  } catch (error) {
    const at =
      error instanceof Error ? (error.stack?.split('\n').slice(1, 4).join('\n') ?? '') : '';
    return `${messageOf(error)}\n${at}`;
  }
}

/** The first line, whatever the numbers in it. */
function kindOf(message: string): string {
  return message.split('\n')[0]!.replace(/\d+/g, '#').slice(0, 100);
}

function randomOf(seed: number, name: string, caseNumber: number): SeededRandom {
  let mixed = seed >>> 0;
  for (const letter of `${name} ${caseNumber}`) {
    mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x0100_0193) >>> 0;
  }
  return new SeededRandom(mixed);
}
