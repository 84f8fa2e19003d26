import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canIsolateNetwork, isolateNetwork } from './support/isolated.ts';
import { addCounts, countsFile, readCounts, showCounts } from './support/test-counts.ts';

/**
 * All tests, one after the other because they use the real ports. Those on Kubernetes come last, in a
 * run of their own: they need the network of a cluster, and that is built while the others run.
 * Arguments go to jest, which then leaves out Kubernetes: `npm test -- --selectProjects e2e`.
 */
const args = process.argv.slice(2);
if (args.length === 0) runEverything();
else runJest();

function runEverything(): void {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-tests-'));
  const parts = [
    ['test/run-all.ts', '--ignoreProjects', 'kubernetes'],
    ['test/kubernetes/run.ts', '--quick'],
  ];
  const counts = parts.map((words, index) => {
    const file = join(directory, String(index));
    const env = { ...process.env, ...countsFile(file) };
    const { status } = spawnSync(process.execPath, words, { stdio: 'inherit', env });
    return readCounts(file, status === 0);
  });
  rmSync(directory, { recursive: true });
  const total = counts.reduce(addCounts);
  process.stdout.write(`${showCounts(total)}\n`);
  process.exit(total.failed === 0 ? 0 : 1);
}

/** A failed test may leave a timer or a socket behind: that must not keep the run from ending. */
function runJest(): void {
  if (canIsolateNetwork()) isolateNetwork();
  const selection = args.some((word) => /^--(select|ignore)Projects/.test(word))
    ? []
    : ['--ignoreProjects', 'kubernetes'];
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/jest/bin/jest.js', '--runInBand', '--forceExit', ...args, ...selection],
    { stdio: 'inherit' },
  );
  process.exit(status ?? 1);
}
