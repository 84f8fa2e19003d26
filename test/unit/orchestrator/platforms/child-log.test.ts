import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastSentence } from '../../../../orchestrator/platforms/process/child-log.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-log-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const CRASH = `node:internal/modules/run_main:107
    triggerUncaughtException(
    ^

Error: Cannot find module 'main.ts'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1) {
  code: 'MODULE_NOT_FOUND'
}

Node.js v26.10.0
`;

test.each([
  ['its last sentence', 'first\n{"level":"info"}\nthe port is in use\n', 'the port is in use'],
  ['the error that it crashed with', CRASH, "Error: Cannot find module 'main.ts'"],
  ['nothing when it said nothing', '{"level":"info"}\n', undefined],
])('the log of a child that exited tells %s', (_, text, expected) => {
  const path = join(root, 'log');
  const earlier = 'a sentence of an earlier start\n';
  writeFileSync(path, earlier + text);
  expect(lastSentence(path, earlier.length)).toBe(expected);
});
