import { Fuzzer } from '../../fuzz/fuzz.ts';
import { shrink } from '../../fuzz/shrink.ts';
import type { FuzzTarget } from '../../fuzz/target.ts';
import { TARGETS } from '../../fuzz/targets/index.ts';

const CASES = 40;
const SEED = 20261121;

/** It fails on a byte of 0x2a that has a 0x07 somewhere behind it. */
const FAULTY: FuzzTarget = {
  name: 'faulty',
  generate: (random) => random.bytes(random.below(3000)),
  check(input) {
    const at = input.indexOf(0x2a);
    if (at >= 0 && input.indexOf(0x07, at) > at) throw new Error(`a planted bug at ${at}`);
  },
};

test.each(TARGETS)('I11 $name: a few inputs of a fixed seed do no harm', (target) => {
  const fuzzer = new Fuzzer(target, SEED);
  for (let count = 0; count < CASES; count += 1) expect(fuzzer.runOne()).toBeUndefined();
});

test.each(TARGETS)(
  '$name: the same seed makes the same inputs, and not all of them alike',
  (target) => {
    const inputs = [SEED, SEED].map((seed) => inputsOf(target, seed));
    expect(inputs[0]).toEqual(inputs[1]);
    expect(new Set(inputs[0]).size).toBeGreaterThan(CASES / 2);
    expect(inputsOf(target, SEED + 1)).not.toEqual(inputs[0]);
  },
);

test('a failure is found once and shrunk to what it takes', () => {
  const fuzzer = new Fuzzer(FAULTY, SEED);
  for (let count = 0; count < 200; count += 1) fuzzer.runOne();
  expect(fuzzer.findings.map(({ input }) => input.toString('hex'))).toEqual(['2a07']);
  expect(fuzzer.findings[0]?.message).toContain('a planted bug');
});

test('what cannot be left out is made zero where it may be', () => {
  const fails = (candidate: Buffer) => candidate.length >= 3 && candidate[2] === 9;
  expect(shrink(Buffer.from([1, 2, 9, 4, 5]), fails)).toEqual(Buffer.from([0, 0, 9]));
});

function inputsOf(target: FuzzTarget, seed: number): string[] {
  const inputs: string[] = [];
  const recorder = { ...target, check: (input: Buffer) => void inputs.push(input.toString('hex')) };
  const fuzzer = new Fuzzer(recorder, seed);
  for (let count = 0; count < CASES; count += 1) fuzzer.runOne();
  return inputs;
}
