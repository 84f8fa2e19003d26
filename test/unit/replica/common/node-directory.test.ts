import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  MARKER_NAME,
  prepareNodeDirectory,
  whyDown,
} from '../../../../replica/common/node-directory.ts';

const IDENTITY = { node: 'node1', installation: 'abc' };

let root = '';
let directory = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-node-'));
  directory = join(root, 'node1');
  prepareNodeDirectory(directory, IDENTITY);
});
afterEach(() => rmSync(root, { recursive: true }));

test('a node is up when its directory is the one that was made for it', () => {
  expect(whyDown(directory, IDENTITY)).toBeUndefined();
  prepareNodeDirectory(directory, IDENTITY);
  expect(whyDown(directory, IDENTITY)).toBeUndefined();
});

test.each<[string, () => void, RegExp]>([
  ['its directory is missing', () => rmSync(directory, { recursive: true }), /node1 is missing$/],
  [
    'an empty directory is in its place',
    () => {
      renameSync(directory, `${directory}.away`);
      mkdirSync(directory);
    },
    /node1 has no \.keelson-node, so another disk or none is mounted there$/,
  ],
  [
    'the directory of another node is in its place',
    () => {
      rmSync(directory, { recursive: true });
      prepareNodeDirectory(directory, { ...IDENTITY, node: 'node2' });
      prepareNodeDirectory(directory, IDENTITY); // never takes what is another one's
    },
    /belongs to another node: expected .*"node1".* got .*"node2"/,
  ],
  [
    'the directory of another installation is in its place',
    () => writeFileSync(join(directory, MARKER_NAME), '{"node":"node1","installation":"xyz"}'),
    /belongs to another node: expected .*"abc".* got .*"xyz"/,
  ],
  [
    'its marker cannot be read',
    () => {
      rmSync(join(directory, MARKER_NAME));
      mkdirSync(join(directory, MARKER_NAME));
    },
    /is unreadable: .*EISDIR/,
  ],
])('a node is down when %s', (_, damage, reason) => {
  damage();
  expect(whyDown(directory, IDENTITY)).toMatch(reason);
});
