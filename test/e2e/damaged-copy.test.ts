import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { METADATA_FILE_BYTES, SLOT_BYTES } from '../../replica/store/metadata-record.ts';
import { eventually, runOk } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { expectPattern, tryWritePattern, writePattern } from '../support/qemu.ts';

/** What a copy on node1 does when its directory is not as it left it. */
const PATTERN = { byte: 0x3c, offset: '16M', length: '1M' };
/** Somewhere in the JSON of a slot, after its 32-byte header. */
const BYTE_IN_SLOT = 40;

let keelson: Keelson | undefined;

afterEach(async () => {
  await keelson?.stop();
  keelson = undefined;
});

test.each([0, 1])(
  'I5 B2 a copy starts from the other slot when slot %d of its metadata is damaged',
  async (slot) => {
    const dataDir = await makeStopped();
    flip(metadataOf(dataDir), [slot]);
    keelson = await startKeelson({ dataDir });
    await expectPattern(keelson.url, PATTERN);
    await keelson.whenHealthy();
  },
);

test('I5 B2 a copy without readable metadata stays out and says why, and the others serve', async () => {
  const dataDir = await makeStopped();
  flip(metadataOf(dataDir), [0, 1]);
  keelson = await startKeelson({ dataDir });
  await expectPattern(keelson.url, PATTERN);
  await whenDegradedBecause(keelson, /node1 exited .*both metadata slots are damaged/);
});

test('I5 N11 a copy that finds the directory of another volume stays out and says why', async () => {
  const dataDir = await makeStopped(async (running) => {
    await running.makeVolume('other', { size: '64Mi', replicas: 2 });
  });
  const own = copyDirectory(dataDir, 'default.demo-');
  const foreign = copyDirectory(dataDir, 'default.other-');
  rmSync(own, { recursive: true });
  cpSync(foreign, own, { recursive: true });
  keelson = await startKeelson({ dataDir });
  await expectPattern(keelson.url, PATTERN);
  await whenDegradedBecause(keelson, /node1 exited .*belongs to/);
});

test('I5 N11 a copy that finds its directory empty is not taken for the one that held the data', async () => {
  const dataDir = await makeStopped();
  const own = copyDirectory(dataDir, 'default.demo-');
  rmSync(own, { recursive: true });
  mkdirSync(own);
  keelson = await startKeelson({ dataDir });
  await expectPattern(keelson.url, PATTERN);
  const { copies } = await keelson.volume();
  expect(copies.find(({ node }) => node === 'node1')?.isPrimary).toBe(false);
});

test('B2 a node whose disk is full costs no data and no process of the other copies', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'keelson-data-'));
  const full = join(dataDir, 'nodes/node1');
  mkdirSync(full, { recursive: true });
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'keelson-test', full]);
  try {
    keelson = await startKeelson({ dataDir });
    const controller = keelson.controller().pid;
    await writePattern(keelson.url, PATTERN);
    const { isOk, output } = await tryWritePattern(keelson.url, {
      ...{ byte: 0x42, offset: '64M', length: '128M' },
    });
    // Refused cleanly, or taken by the two copies that have room; never a medium error.
    if (!isOk) expect(output).toMatch(/No space left|Input\/output error/);
    expect(output).not.toMatch(/medium/i);
    await expectPattern(keelson.url, PATTERN);
    expect(keelson.controller().pid).toBe(controller);
  } finally {
    await keelson?.stop().catch(() => undefined);
    keelson = undefined;
    await runOk('umount', [full]).catch(() => undefined);
    rmSync(dataDir, { recursive: true, force: true });
  }
});

/** Data of an installation that wrote the pattern and was stopped cleanly. */
async function makeStopped(prepare?: (running: Keelson) => Promise<void>): Promise<string> {
  keelson = await startKeelson();
  await writePattern(keelson.url, PATTERN);
  await prepare?.(keelson);
  expect(await keelson.interrupt()).toBe(0);
  return keelson.dataDir;
}

function copyDirectory(dataDir: string, prefix: string): string {
  const node = join(dataDir, 'nodes/node1');
  const name = readdirSync(node).find((candidate) => candidate.startsWith(prefix));
  if (name === undefined) throw new Error(`${node}: expected a directory ${prefix}…`);
  return join(node, name);
}

function metadataOf(dataDir: string): string {
  return join(copyDirectory(dataDir, 'default.demo-'), 'metadata');
}

function flip(file: string, slots: readonly number[]): void {
  const bytes = readFileSync(file);
  expect(bytes.length).toBe(METADATA_FILE_BYTES);
  for (const slot of slots) {
    const at = slot * SLOT_BYTES + BYTE_IN_SLOT;
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  }
  writeFileSync(file, bytes);
}

async function whenDegradedBecause(running: Keelson, reason: RegExp): Promise<void> {
  await eventually('the reason is told', () => (reason.test(running.output()) ? true : undefined));
  const { health, copies } = await running.volume();
  expect(health).toBe('degraded');
  expect(copies.find(({ node }) => node === 'node1')?.state).not.toBe('in-sync');
}
