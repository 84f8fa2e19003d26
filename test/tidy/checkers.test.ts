import { run } from '../support/child.ts';
import { NODE } from '../support/keelson.ts';

test('the types are right', async () => {
  const { code, stdout } = await run(NODE, ['node_modules/typescript/bin/tsc', '--noEmit'], {
    timeoutMs: 110_000,
  });
  expect(stdout).toBe('');
  expect(code).toBe(0);
});

test('the linter and the formatter have nothing to say', async () => {
  const { code, stdout, stderr } = await run(
    NODE,
    ['node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off'],
    {
      timeoutMs: 110_000,
    },
  );
  expect(code === 0 ? '' : `${stdout}${stderr}`).toBe('');
});
