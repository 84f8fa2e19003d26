import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { FAULTS_FOR, MUTATIONS } from '../sim/mutations.ts';

const ROOT = join(__dirname, '../..');

/** Bugs that show rarely are found within so many seeds; most take fewer than a hundred. */
const MUTANT_SEEDS = 6_000;
const MUTANT_MS = 240_000;

function simulate(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/sim/main.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, text: `${stdout}${stderr}` };
}

test('the simulator finds no fault in 2000 seeds', () => {
  const { status, text } = simulate('--seeds', '2000');
  expect(text).toContain('2000 seeds');
  expect(text).toMatch(/^0 failures$/m);
  expect(status).toBe(0);
}, 240_000);

test('the simulator prints everything that happens in one seed, the same each time', () => {
  const args = ['test/sim/main.ts', '--seed', '3', '--trace'];
  const [one, other] = [1, 2].map(() =>
    execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 }),
  );
  expect(one).toContain('WELCOME');
  expect(one).toBe(other);
});

test('the simulator refuses a command line that makes no sense', () => {
  const { status, text } = simulate('--seeds', 'many');
  expect(status).toBe(2);
  expect(text).toContain('--seeds: expected a number above 0, got many');
});

describe('a deliberate bug', () => {
  test.each(MUTATIONS.map(({ name, why }) => [name, why]))(
    'is found by chance: %s (%s)',
    (name) => {
      const faults = FAULTS_FOR[name];
      const kinds = faults === undefined ? [] : ['--kinds', faults.join()];
      const args = ['--seeds', String(MUTANT_SEEDS), '--bail', '--mutation', name, ...kinds];
      const { status, text } = simulate(...args);
      expect(text).toMatch(/^[1-9]\d* failures$/m);
      expect(status).toBe(0);
    },
    MUTANT_MS,
  );
});
