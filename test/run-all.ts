import { spawnSync } from 'node:child_process';
import { canIsolateNetwork, isolateNetwork } from './support/isolated.ts';

/**
 * All tests in one jest run, one after the other because they use the real ports. Arguments go to
 * jest: `npm test -- --selectProjects e2e`. A failed test may leave a timer or a socket behind: that
 * must not keep the run from ending.
 */
if (canIsolateNetwork()) isolateNetwork();
const { status } = spawnSync(
  process.execPath,
  ['node_modules/jest/bin/jest.js', '--runInBand', '--forceExit', ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
