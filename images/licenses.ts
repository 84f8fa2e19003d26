import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Names and license texts of the packages that `paths` belong to, for the image that carries their
 * code. Paths that are no package's are passed over.
 */
export function licensesOf(paths: readonly string[]): string {
  const folders = new Set(paths.map(packageFolderOf).filter((folder) => folder !== undefined));
  return [...folders]
    .sort()
    .map(describe)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

/** `node_modules/winston/lib/a.js` → `node_modules/winston`; the innermost one counts. */
export function packageFolderOf(path: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
}

function describe(folder: string): string {
  const { name, version, license } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  ) as Record<string, unknown>;
  return `${name} ${version} (${license})\n\n${licenseText(folder)}\n`;
}

function licenseText(folder: string): string {
  const file = existsSync(folder)
    ? readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name))
    : undefined;
  return file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
}
