import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Architecture, addonsFor } from './addons.ts';
import { bundlePrograms, ROLES } from './bundle.ts';
import { licensesOf } from './licenses.ts';

/** What runs while the images are built. */
const BUILD_STEPS = ['collect-runtime.ts', 'fill-compile-cache.ts'];

/** Where `npm run images` leaves the context, for whoever wants to run `docker build` by hand. */
export const CONTEXT = 'build/images';

/**
 * Writes everything that `docker build` needs to `directory`, and nothing else: Dockerfiles, bundles
 * and addons. What was there before is removed.
 *
 * Errors: FAILED_PRECONDITION as for addonsFor.
 */
export async function writeContext(directory: string, architecture: Architecture): Promise<void> {
  const addons = addonsFor(architecture);
  const bundles = await bundlePrograms();
  rmSync(directory, { recursive: true, force: true });
  const place = (file: string): string => {
    const path = join(directory, file);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  };
  for (const role of ROLES) {
    copyFileSync(`images/${role}.Dockerfile`, place(`${role}.Dockerfile`));
  }
  for (const file of BUILD_STEPS) copyFileSync(join('images', file), place(file));
  for (const { file, source } of addons)
    copyFileSync(source, place(`native/${architecture}/${file}`));
  for (const { file, text } of bundles) {
    const isCommand = text.startsWith('#!');
    writeFileSync(place(file), text, { mode: isCommand ? 0o755 : 0o644 });
  }
  symlinkSync('/keelson/keelson.mjs', place('links/usr/local/bin/keelson'));
  const inputs = [
    ...bundles.flatMap(({ inputs }) => inputs),
    ...addons.map(({ source }) => source),
  ];
  writeFileSync(place('LICENSES'), licensesOf(inputs));
}

/** The same for the same files, wherever and whenever they were written. In hexadecimal. */
export function hashOfDirectory(directory: string): string {
  const hash = createHash('sha256');
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { entry, path } of paths) {
    const content = entry.isSymbolicLink() ? readlinkSync(path) : readFileSync(path);
    const name = path.slice(directory.length);
    hash.update(`${name.length} ${name} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}
