import { spawnSync } from 'node:child_process';

/**
 * `node fill-compile-cache.ts PROGRAM...`: Node.js writes its compile cache when a process exits, so
 * each program runs once with an option that it does not know, which ends it with exit code 2.
 * Anything else is a program that cannot even be loaded in this image.
 */
const UNKNOWN_OPTION = '--to-fill-the-compile-cache';

for (const program of process.argv.slice(2)) {
  const { status, stderr } = spawnSync(process.execPath, [program, UNKNOWN_OPTION], {
    encoding: 'utf8',
  });
  if (status !== 2) {
    process.stderr.write(`${program}: expected exit code 2, got ${status}\n${stderr}`);
    process.exit(1);
  }
}
