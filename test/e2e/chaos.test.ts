import { run } from '../support/child.ts';
import { NODE } from '../support/keelson.ts';

/** 24 s of storm; the rest is for starting, recovering and reading everything back. */
const ARGUMENTS = ['test/chaos/main.ts', '--minutes', '0.4', '--seed', '20261121'];
const LIMIT_MS = 420_000;

test('B1 I10 verified I/O sees one disk while processes die and stop, links break and a disk fills up', async () => {
  const { code, stdout, stderr } = await run(NODE, ARGUMENTS, { timeoutMs: LIMIT_MS });
  expect(code === 0 ? '' : `${stdout}${stderr}`).toBe('');
  expect(stdout).toMatch(/faults +.*kill controller \d/);
  expect(stdout).toMatch(/\npassed\n$/);
});
