import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient } from '../../orchestrator/client/api-client.ts';
import { eventually, run } from '../support/child.ts';
import { type Keelson, NODE, startKeelson } from '../support/keelson.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';

const DATA = { byte: 0x5a, offset: '1M', length: '1M' };
const DEMO = { namespace: 'default', name: 'demo' };

let keelson: Keelson;
let token = '';

beforeAll(async () => {
  keelson = await startKeelson({ args: ['--listen', '0.0.0.0'] });
  token = readFileSync(tokenFile(), 'utf8').trim();
});
afterAll(() => keelson?.stop());

test('B5 an API that listens everywhere is used by who has the token, and by nobody else', async () => {
  expect(statSync(tokenFile()).mode & 0o777).toBe(0o600);
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  const refused = await keelsonCommand(['volume', 'ls']);
  expect(refused).toMatchObject({ stdout: '', stderr: expect.stringContaining('--token-file') });
  expect(refused.code).not.toBe(0);
  for (const [words, environment] of [
    [['--token-file', tokenFile()], {}],
    [[], { KEELSON_TOKEN_FILE: tokenFile() }],
    [[], { KEELSON_TOKEN: token }],
  ] as const) {
    const listed = await keelsonCommand(['volume', 'ls', ...words], environment);
    expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining('demo') });
  }
  const wrong = await keelsonCommand(['volume', 'ls'], { KEELSON_TOKEN: '0'.repeat(64) });
  expect(wrong.stderr).toContain('expected the token of this installation, got another one');
});

test('B5 controllers need no token: they come up, and again when they are killed', async () => {
  const api = new ApiClient({ url: 'http://127.0.0.1:5705', token });
  const whenHealthy = (afterEpoch: number) =>
    eventually('the volume is healthy', async () => {
      const { health, membership } = await api.volume(DEMO);
      return (
        (health === 'healthy' && membership.epoch > afterEpoch && membership.epoch) || undefined
      );
    });
  const epoch = await whenHealthy(0);
  await writePattern(keelson.url, DATA);
  process.kill(keelson.controller().pid, 'SIGKILL');
  await whenHealthy(epoch);
  await expectPattern(keelson.url, DATA);
});

test('B5 the token is in no log, no answer and no command line', async () => {
  const api = new ApiClient({ url: 'http://127.0.0.1:5705', token });
  const answers = [
    await api.volumes(),
    await api.nodes(),
    await api.pastEvents(),
    await api.version(),
  ];
  const logs = await run('grep', ['-rl', token, keelson.dataDir]);
  expect(logs.stdout.trim().split('\n')).toEqual([tokenFile()]);
  const shown = [JSON.stringify(answers), keelson.output()];
  expect([...shown, ...keelson.processes().map(({ command }) => command)].join()).not.toContain(
    token,
  );
});

function tokenFile(): string {
  return join(keelson.dataDir, 'token');
}

function keelsonCommand(words: readonly string[], environment: Record<string, string> = {}) {
  return run(NODE, ['orchestrator/cli/main.ts', ...words], { environment });
}
