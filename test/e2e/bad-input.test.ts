import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../support/child.ts';
import { type Keelson, startAndFail, startKeelson } from '../support/keelson.ts';

let keelson: Keelson;

beforeAll(async () => {
  keelson = await startKeelson({ isEmpty: true });
});
afterAll(() => keelson?.stop());

const REFUSED: readonly { what: string; args: readonly string[]; names: string }[] = [
  { what: 'a name with capitals', args: ['Data'], names: 'Data' },
  { what: 'a name that leaves its directory', args: ['../data'], names: '..' },
  { what: 'no name', args: [], names: 'volume' },
  { what: 'size 0', args: ['--size', '0', 'data'], names: '0' },
  { what: 'a size with an unknown unit', args: ['--size', '5Q', 'data'], names: '5Q' },
  { what: 'a size of half a block', args: ['--size', '2Ki', 'data'], names: '2Ki' },
  { what: 'six replicas', args: label('keelson.io/replicas=6'), names: 'keelson.io/replicas' },
  { what: 'half a replica', args: label('keelson.io/replicas=0.5'), names: 'keelson.io/replicas' },
  { what: 'more copies than nodes', args: label('keelson.io/replicas=3'), names: 'node' },
  {
    what: 'an unknown failure mode',
    args: label('keelson.io/failure-mode=fast'),
    names: 'keelson.io/failure-mode',
  },
  {
    what: 'a tolerance of five',
    args: label('keelson.io/failure-tolerance=5'),
    names: 'keelson.io/failure-tolerance',
  },
  {
    what: 'two aliases that disagree',
    args: label('keelson.io/replicas=1', 'storageos.com/replicas=2'),
    names: 'storageos.com/replicas',
  },
  { what: 'a label without a value', args: label('replicas'), names: 'replicas' },
  { what: 'an unknown option', args: ['--replicas', '2', 'data'], names: '--replicas' },
];

test.each(REFUSED)(
  'S4 N7 N8 volume create refuses $what in one sentence and creates nothing',
  async ({ args, names }) => {
    const words = ['run', '-s', 'keelson', '--', 'volume', 'create', ...args];
    const { code, stdout, stderr } = await run('npm', words);
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    const sentence = stderr.replace(/^npm warn .*\n/gm, '').trim();
    expect(sentence).toMatch(/^keelson: [^\n]+$/);
    expect(sentence).toContain(names);
    expect(await keelson.api.volumes()).toEqual([]);
  },
);

test('I9 a second orchestrator on the same data says who holds it and leaves the first alone', async () => {
  const { code, output } = await startAndFail(keelson.dataDir, ['--api-port', '5799']);
  expect(code).toBe(1);
  expect(output).toMatch(/keelson: .*(lock|in use|another|already)/i);
  expect(output).not.toMatch(/\n\s+at /);
  expect(await keelson.api.nodes()).toHaveLength(3);
});

test('an orchestrator whose API port is taken says so and leaves nothing running', async () => {
  const port = 5798;
  const blocker = createServer().listen(port, '127.0.0.1');
  await new Promise((done) => blocker.once('listening', done));
  const dataDir = mkdtempSync(join(tmpdir(), 'keelson-data-'));
  try {
    const { code, output } = await startAndFail(dataDir, ['--api-port', String(port)]);
    expect(code).toBe(1);
    expect(output).toContain(String(port));
    expect(output).not.toMatch(/\n\s+at /);
  } finally {
    blocker.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

test('an unknown option of the orchestrator is refused in one sentence', async () => {
  const { code, output } = await startAndFail(keelson.dataDir, ['--nodse', '3']);
  expect(code).toBe(2);
  expect(output).toMatch(/^keelson: [^\n]*--nodse[^\n]*\n$/);
});

function label(...labels: readonly string[]): string[] {
  return [...labels.flatMap((text) => ['--label', text]), 'data'];
}
