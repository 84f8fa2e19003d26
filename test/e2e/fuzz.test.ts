import { run } from '../support/child.ts';
import { NODE } from '../support/keelson.ts';

test('I11 a few seconds of fuzzing find nothing in the cores and at the ports', async () => {
  const words = ['test/fuzz/main.ts', '--seconds', '8', '--seed', '20261121'];
  const { code, stdout, stderr } = await run(NODE, words, { timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`expected exit code 0, got ${code}\n${stdout}${stderr}`);
  process.stderr.write(stdout);
  expect(stdout.trim().split('\n').at(-1)).toBe('0 findings');
});
