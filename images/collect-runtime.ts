import { lookup } from 'node:dns/promises';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * `node collect-runtime.ts TARGET ADDONS`: copies this Node.js, the shared libraries that it and the
 * addons in the folder ADDONS load, and `sleep` into TARGET, as the root of an image that holds
 * nothing else.
 * It runs in the base image while our images are built, and on the host for `npm run images:base`.
 */
const [target = '', addons = ''] = process.argv.slice(2);

/** What the programs open by name (replica/common/lz4.ts, idle-memory.ts). */
const OPENED_BY_NAME = ['liblz4.so.1', 'libc.so.6'];

/** Holds an address while no program of ours has it (docs/adr/0023-docker-platform.md). */
const SLEEP = '/usr/bin/sleep';

/** Whose licenses ask that their text goes along. */
const DEBIAN_PACKAGES = [
  ...['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1', 'liblz4-1'],
  'coreutils', // sleep
];

/** Of controller and replica: an id that no other program of a host is likely to have. */
const USER_ID = 65532;

const ACCOUNTS = `root:x:0:0:root:/:/none\nkeelson:x:${USER_ID}:${USER_ID}:keelson:/:/none\n`;

for (const file of readdirSync(addons)) process.dlopen({ exports: {} }, resolve(addons, file));
const ffi = process.getBuiltinModule('node:ffi' as 'node:fs') as unknown as {
  dlopen(file: string, signatures: object): unknown;
};
// Kept until the end: a library that nobody holds may be closed again.
const opened = new Map(OPENED_BY_NAME.map((name) => [name, ffi.dlopen(name, {})]));
// An older C library loads its resolver only now. Whether the name is found does not matter.
await lookup('name.invalid').catch(() => undefined);

const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
const libraries = sharedObjects.filter((path) => path.startsWith('/') && !path.endsWith('.node'));
for (const name of opened.keys()) {
  if (libraries.some((path) => path.endsWith(`/${name}`))) continue;
  throw new Error(`${name}: expected it among the libraries, got ${libraries.join(' ')}`);
}
for (const path of new Set(libraries)) copy(path, path);
copy(process.execPath, '/usr/local/bin/node');
copy(existsSync(SLEEP) ? SLEEP : '/bin/sleep', SLEEP);
const texts = DEBIAN_PACKAGES.map((name) => `/usr/share/doc/${name}/copyright`);
for (const path of [...texts, '/usr/local/LICENSE']) if (existsSync(path)) copy(path, path);
mkdirSync(join(target, 'etc'));
writeFileSync(join(target, 'etc/passwd'), ACCOUNTS);
writeFileSync(join(target, 'etc/group'), `root:x:0:\nkeelson:x:${USER_ID}:\n`);
mkdirSync(join(target, 'tmp'));
chmodSync(join(target, 'tmp'), 0o1777);

function copy(from: string, to: string): void {
  const path = join(target, to);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(from, path); // follows links, so that a library lies under the name it is asked for
}
