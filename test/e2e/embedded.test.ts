import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOk } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { isAlive } from '../support/processes.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';

let keelson: Keelson;

beforeAll(async () => {
  keelson = await startKeelson();
});
afterAll(() => keelson?.stop());

const FIRST = { byte: 0x5a, offset: '1M', length: '4M' };
const SECOND = { byte: 0xa5, offset: '1020M', length: '4M' };

test('S44 S45 B4 the demo volume is listed with its size by an initiator', async () => {
  const listed = await runOk('iscsi-ls', ['-s', 'iscsi://127.0.1.1:3260']);
  expect(listed).toContain('Target:iqn.2026-11.io.keelson:default.demo');
  // iscsi-ls prints the offset of the last block, rounded down: 1023M of 1 GiB.
  expect(listed).toMatch(/Lun:0\b.*\(Size:1023M\)/);
  const { 'virtual-size': sizeBytes } = JSON.parse(
    await runOk('qemu-img', ['info', '-f', 'raw', '--output=json', keelson.url]),
  ) as { 'virtual-size': number };
  expect(sizeBytes).toBe(1024 ** 3);
});

test('S6 S8 S46 S47 two replicas make three copies on three nodes, each role in a process of its own', async () => {
  const volume = await keelson.volume();
  expect(volume.replicas).toBe(2);
  expect(volume.copies.map((copy) => copy.node).sort()).toEqual(['node1', 'node2', 'node3']);
  expect(keelson.replicas()).toHaveLength(3);
  expect(keelson.controller().pid).toBeGreaterThan(0);
});

test('S10 S13 what was written reads back, and blocks never written read as zeros', async () => {
  await writePattern(keelson.url, FIRST);
  await expectPattern(keelson.url, FIRST);
  await expectPattern(keelson.url, { byte: 0, offset: '512M', length: '4M' });
});

test('S49 written data reads back after the controller was killed and restarted', async () => {
  const before = keelson.controller().pid;
  const { generation } = (await keelson.volume()).membership;
  process.kill(before, 'SIGKILL');
  await keelson.whenHealthy(generation);
  expect(keelson.controller().pid).not.toBe(before);
  await expectPattern(keelson.url, FIRST);
  await writePattern(keelson.url, SECOND);
});

test('S1 S52 written data reads back while a replica is away, and it comes back on its own node', async () => {
  const [replica] = keelson.replicas();
  const { generation } = (await keelson.volume()).membership;
  process.kill(replica?.pid ?? 0, 'SIGKILL');
  await expectPattern(keelson.url, FIRST);
  await expectPattern(keelson.url, SECOND);
  await keelson.whenHealthy(generation);
  expect(keelson.replicas().map(({ command }) => command)).toContain(replica?.command);
});

test('Ctrl-C stops everything with exit code 0, and the next start finds the data', async () => {
  const processes = keelson.processes();
  expect(await keelson.interrupt()).toBe(0);
  expect(processes.filter(({ pid }) => isAlive(pid))).toEqual([]);
  keelson = await startKeelson({ dataDir: keelson.dataDir });
  await expectPattern(keelson.url, FIRST);
  await expectPattern(keelson.url, SECOND);
  await keelson.whenHealthy();
});

test('B1 killing every process at once loses nothing that was flushed', async () => {
  const { generation } = (await keelson.volume()).membership;
  for (const { pid } of keelson.processes()) process.kill(pid, 'SIGKILL');
  await keelson.whenHealthy(generation);
  await expectPattern(keelson.url, FIRST);
  await expectPattern(keelson.url, SECOND);
});

/**
 * From taking the volume to its first I/O. A start takes a moment; one that waits for a lease takes
 * 7.2 s: the 6 s that a copy which was restarted too must assume, and a fifth.
 */
const NO_LEASE_WAIT_MS = 5_000;

test('B1 I7 a start after kill -9 of the orchestrator waits for no lease of the old controller', async () => {
  const { dataDir } = keelson;
  const { generation } = (await keelson.volume()).membership;
  process.kill(keelson.controller().parent, 'SIGKILL');
  keelson = await startKeelson({ dataDir });
  await keelson.whenHealthy(generation);
  const { instanceId } = await keelson.status();
  const [took, serves] = ['took the volume', 'serving'].map((message) =>
    timeOf(dataDir, { instanceId, message }),
  );
  expect(Number(serves) - Number(took)).toBeLessThan(NO_LEASE_WAIT_MS);
  await expectPattern(keelson.url, FIRST);
  await expectPattern(keelson.url, SECOND);
});

/** When a controller logged this message. */
function timeOf(
  dataDir: string,
  { instanceId, message }: { readonly instanceId: string; readonly message: string },
): number {
  const lines = readFileSync(join(dataDir, 'logs/default.demo-controller.log'), 'utf8').split('\n');
  const line = lines.find((text) => text.includes(instanceId) && text.includes(`"${message}"`));
  const { timestamp } = JSON.parse(line ?? '{}') as { readonly timestamp?: string };
  return Date.parse(timestamp ?? '');
}
