import { spawnSync } from 'node:child_process';

/**
 * `node fill-compile-cache.ts PROGRAM...`: Node.js writes its compile cache when a process exits, so
 * each program runs once with an option that it does not know. It refuses that, exit code 2, or shows
 * its help. Anything else is a program that cannot even be loaded in this image.
 */
const UNKNOWN_OPTION = '--to-fill-the-compile-cache';

for (const program of process.argv.slice(2)) {
  const words = [program, UNKNOWN_OPTION];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (status === 0 || status === 2) continue;
  process.stderr.write(`${program}: expected exit code 0 or 2, got ${status}\n${stderr}`);
  process.exit(1);
}
