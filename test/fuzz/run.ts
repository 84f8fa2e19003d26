import { saveToCorpus } from './corpus.ts';
import { Fuzzer } from './fuzz.ts';
import { GROWTH_LIMIT_BYTES, MemoryWatch } from './memory.ts';
import type { FuzzTarget } from './target.ts';

const TURN_MS = 200;
const ROUNDS_BETWEEN_LOOKS = 5;

export interface FuzzRun {
  readonly targets: readonly FuzzTarget[];
  readonly seconds: number;
  readonly seed: number;
  readonly print: (text: string) => void;
}

/** Gives every target its turns for that long. Returns how many findings there were. */
export function fuzz({ targets, seconds, seed, print }: FuzzRun): number {
  const fuzzers = targets.map((target) => new Fuzzer(target, seed));
  const memory = new MemoryWatch();
  const endMs = performance.now() + seconds * 1000;
  let leaks = 0;
  for (let round = 1; performance.now() < endMs; round += 1) {
    for (const fuzzer of fuzzers) takeTurn(fuzzer, print);
    if (round % ROUNDS_BETWEEN_LOOKS !== 0) continue;
    const growth = memory.growthBytes();
    if (growth <= GROWTH_LIMIT_BYTES) continue;
    print(`MEMORY: ${Math.round(growth / 1024 ** 2)} MiB more in use than in the beginning`);
    leaks = 1;
    break;
  }
  for (const { tally, findings } of fuzzers) {
    const slowest = tally.slowestMs.toFixed(0);
    const found = findings.length === 0 ? '' : `, ${findings.length} FOUND`;
    print(`${tally.target}: ${tally.cases} cases, slowest ${slowest} ms${found}`);
  }
  return fuzzers.reduce((count, { findings }) => count + findings.length, leaks);
}

function takeTurn(fuzzer: Fuzzer, print: (text: string) => void): void {
  const endMs = performance.now() + TURN_MS;
  while (performance.now() < endMs && !fuzzer.isExhausted) {
    const finding = fuzzer.runOne();
    if (finding === undefined) continue;
    const path = saveToCorpus(finding.target, finding.input);
    print(`FOUND ${finding.target} (seed ${finding.seed}, case ${finding.caseNumber})`);
    print(`${finding.message}\n${path}: ${finding.input.length} bytes`);
  }
}
