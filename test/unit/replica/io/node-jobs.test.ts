import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MARKER_NAME } from '../../../../replica/common/node-directory.ts';
import { isNodeJob, NODE_JOBS, runNodeJob } from '../../../../replica/io/node-jobs.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-jobs-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const prepare = (directory: string, node = 'a', ...more: string[]) =>
  runNodeJob('prepare-node', [
    ...['--directory', directory, '--node', node, '--installation', 'i', ...more],
  ]);
const IDENTITY = ['--node', 'a', '--installation', 'i'];
const erase = (copy: string) =>
  runNodeJob('erase-copy', ['--directory', root, ...IDENTITY, '--copy', copy]);

test('a node is prepared once, and is what it was when it is prepared again', async () => {
  const directory = join(root, 'data');
  await prepare(directory);
  const { mtimeMs } = statSync(join(directory, MARKER_NAME));
  await prepare(directory);
  expect(statSync(join(directory, MARKER_NAME)).mtimeMs).toBe(mtimeMs);
});

test('a prepared directory belongs to the user that replicas run as', async () => {
  const uid = process.getuid?.() === 0 ? 65_532 : (process.getuid?.() ?? 0);
  await prepare(root, 'a', '--owner', String(uid));
  expect([statSync(root).uid, statSync(join(root, MARKER_NAME)).uid]).toEqual([uid, uid]);
});

test('a directory of another node is refused, and left as it is', async () => {
  await prepare(root, 'a');
  await expect(prepare(root, 'b')).rejects.toThrow('belongs to another node');
});

test('a directory is looked at, and nothing is made', async () => {
  const look = () => runNodeJob('check-node', ['--directory', root, ...IDENTITY]);
  await expect(look()).rejects.toThrow('another disk or none is mounted there');
  await prepare(root);
  await look();
});

test('nothing is erased on a disk that is not the node its own', async () => {
  await prepare(root, 'b');
  await expect(erase('default.demo-1')).rejects.toThrow('belongs to another node');
});

test('a copy is erased, and again when it is gone', async () => {
  await prepare(root);
  const copy = join(root, 'default.demo-1');
  mkdirSync(copy);
  writeFileSync(join(copy, 'data'), 'x');
  await erase('default.demo-1');
  await erase('default.demo-1');
  expect(existsSync(copy)).toBe(false);
});

test.each(['.', '..', '../other', 'a/b', '.keelson-node'])(
  'nothing but a copy is erased: %s',
  async (copy) => {
    await prepare(root);
    await expect(erase(copy)).rejects.toThrow('expected the name of a copy');
    expect(existsSync(root)).toBe(true);
  },
);

test.each(['-1', '1.5', 'root', '4294967295'])('the owner %s is refused', async (owner) => {
  await expect(prepare(root, 'a', `--owner=${owner}`)).rejects.toThrow('expected a user id');
});

test('jobs are told from options', () => {
  expect([...NODE_JOBS, '--volume', undefined].map(isNodeJob)).toEqual([
    ...[true, true, true, false, false],
  ]);
});
