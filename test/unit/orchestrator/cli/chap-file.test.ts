import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readChapFile } from '../../../../orchestrator/cli/chap-file.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-chap-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function write(text: string, mode = 0o600): string {
  const path = join(directory, 'chap');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test('a CHAP file names users and what the target proves itself with', async () => {
  const text = `# of the database
user alice open-sesame-1
\tuser  bob   open-sesame-2\r

mutual-user keelson open-sesame-3`;
  expect(await readChapFile(write(text))).toEqual({
    users: [
      { name: 'alice', secret: 'open-sesame-1' },
      { name: 'bob', secret: 'open-sesame-2' },
    ],
    mutual: { name: 'keelson', secret: 'open-sesame-3' },
    allowsShortSecrets: false,
  });
});

test('a CHAP file may allow short secrets', async () => {
  expect(await readChapFile(write('allow-short-secrets\nuser a b\n'))).toEqual({
    users: [{ name: 'a', secret: 'b' }],
    mutual: null,
    allowsShortSecrets: true,
  });
});

test.each([
  ['a short secret', 'user alice open\n', /the secret of user alice: expected 12 to 255/],
  ['nothing', '', /expected 1 to 16 users, got 0/],
  ['a mutual user alone', 'mutual-user keelson open-sesame-3', /expected 1 to 16 users/],
  ['two mutual users', 'mutual-user a open-sesame-1\nmutual-user b open-sesame-2', /line 2/],
  ['one secret for both', 'user a open-sesame-1\nmutual-user b open-sesame-1', /of its own/],
  ['a user without a secret', '\nuser alice', /line 2: expected user NAME SECRET/],
  ['a secret with a space', 'user alice open sesame', /line 1/],
  ['a name and a secret alone', 'alice open-sesame-1', /line 1/],
  ['an unknown word', 'incominguser alice open-sesame-1', /line 1/],
  ['a word behind allow-short-secrets', 'allow-short-secrets open', /line 1/],
])('a CHAP file with %s is refused, and nothing of it is shown', async (_, text, reason) => {
  const error = String(await readChapFile(write(text)).catch((thrown: unknown) => thrown));
  expect(error).toMatch(reason);
  expect(error).not.toContain('open');
});

test.each([0o644, 0o640, 0o604, 0o660])(
  'a CHAP file that others may read is refused (%i)',
  async (mode) => {
    const path = write('user alice open-sesame-1', mode);
    await expect(readChapFile(path)).rejects.toThrow(`got mode ${mode.toString(8)}; run chmod 600`);
  },
);

test('a CHAP file that is not there is named', async () => {
  const path = join(directory, 'none');
  await expect(readChapFile(path)).rejects.toThrow(/^read the CHAP file: .*ENOENT/);
  await expect(readChapFile(path)).rejects.toThrow(path);
});
