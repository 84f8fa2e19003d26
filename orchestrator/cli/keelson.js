#!/usr/bin/env node
// Plain JavaScript, so that any Node.js can read it: runs the CLI on the pinned one that came with
// the package, whatever the host has.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PINNED_MAJOR = 26;
const main = join(dirname(fileURLToPath(import.meta.url)), 'main.ts');

if (Number.parseInt(process.versions.node, 10) >= PINNED_MAJOR) {
  await import(main);
} else {
  const pinned = findPinned();
  if (pinned === undefined) {
    console.error(
      `keelson: needs Node.js ${PINNED_MAJOR}, got ${process.version}; run npm install`,
    );
    process.exit(1);
  }
  // A Ctrl-C reaches both: this process waits for what the other one makes of it.
  process.on('SIGINT', () => {});
  const child = spawnSync(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exit(child.status ?? 1);
}

function findPinned() {
  try {
    const directory = dirname(createRequire(import.meta.url).resolve('node/package.json'));
    const path = join(directory, 'bin', 'node');
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
