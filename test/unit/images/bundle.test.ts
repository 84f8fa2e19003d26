import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARCHITECTURES, type Architecture, addonsFor } from '../../../images/addons.ts';
import { type Bundle, bundlePrograms, ROLES } from '../../../images/bundle.ts';
import { licensesOf, packageFolderOf } from '../../../images/licenses.ts';
import { runOk } from '../../support/child.ts';
import { NODE } from '../../support/keelson.ts';

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, { dev?: boolean; version: string }>;
};

let bundles: Bundle[];
beforeAll(async () => {
  bundles = await bundlePrograms();
});

test('there is one bundle a role, the command line and the health check', () => {
  expect(bundles.map(({ file }) => file).sort()).toEqual(
    [...ROLES.map((role) => `${role}.cjs`), 'healthcheck.cjs', 'keelson.mjs'].sort(),
  );
});

test('bundles hold our programs and the packages that they depend on, no test and no dev dependency', () => {
  const inputs = new Set(bundles.flatMap((bundle) => bundle.inputs));
  const [theirs, ours] = [true, false].map((isTheirs) =>
    [...inputs].filter((path) => path.includes('node_modules/') === isTheirs),
  ) as [string[], string[]];
  const folders = new Set(theirs.map((path) => packageFolderOf(path) ?? ''));
  expect(folders).toContain('node_modules/winston');
  expect([...folders].filter((folder) => packages[folder]?.dev !== undefined)).toEqual([]);
  expect([...folders].filter((folder) => packages[folder] === undefined)).toEqual([]);
  const roots = new Set(ours.map((path) => path.split('/')[0]));
  expect([...roots].sort()).toEqual(['controller', 'images', 'orchestrator', 'replica']);
  expect(ours.filter((path) => path.startsWith('images/'))).toEqual(['images/healthcheck.ts']);
});

test('native code stays outside, under the names that the images have it by', () => {
  const known = addonsFor(here()).map(({ file }) => `./native/${file}`);
  for (const { file, text } of bundles) {
    const loaded = [...text.matchAll(/require\("([^"]*\.node)"\)/g)].map((match) => match[1]);
    // ssh2 tries its own, which npm did not compile, and goes on without.
    const ours = loaded.filter((path) => path?.endsWith('sshcrypto.node') === false);
    expect({ file, strange: ours.filter((path) => !known.includes(path ?? '')) }).toEqual({
      ...{ file, strange: [] },
    });
  }
  const replica = bundles.find(({ file }) => file === 'replica.cjs');
  const isLoaded = (path: string) => replica?.text.includes(`require("${path}")`);
  expect(known.filter((path) => !isLoaded(path))).toEqual([]);
});

test('what dockerode needs for BuildKit only is in no bundle', () => {
  const packagesIn = bundles.flatMap(({ inputs }) => inputs).map(packageFolderOf);
  expect(packagesIn.filter((folder) => /grpc|protobuf/.test(folder ?? ''))).toEqual([]);
});

test('of the Kubernetes client only what finds a cluster and its credentials is in a bundle', () => {
  const inputs = bundles.flatMap(({ inputs }) => inputs);
  const library = inputs.filter((path) => path.includes('@kubernetes/client-node/dist/'));
  expect(library).toContain('node_modules/@kubernetes/client-node/dist/config.js');
  expect(library.filter((path) => path.includes('/gen/apis/'))).toEqual([]);
  const packagesIn = new Set(inputs.map(packageFolderOf));
  expect(packagesIn).not.toContain('node_modules/undici');
  expect(packagesIn).not.toContain('node_modules/openid-client');
});

test('the command line of an image speaks YAML, a package that asks for modules of Node.js', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bundle-'));
  try {
    const path = join(directory, 'keelson.mjs');
    writeFileSync(path, bundles.find(({ file }) => file === 'keelson.mjs')?.text ?? '');
    const words = [path, 'version', '--client', '-o', 'yaml'];
    expect(await runOk(NODE, words)).toMatch(/^client: \d+\.\d+\.\d+\n$/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the license of every package goes along', () => {
  const inputs = bundles.flatMap((bundle) => bundle.inputs);
  const { version = '' } = packages['node_modules/winston'] ?? {};
  expect(licensesOf(inputs)).toContain(`winston ${version} (MIT)\n\n`);
  expect(licensesOf(inputs)).toContain('Permission is hereby granted, free of charge');
  expect(licensesOf(['controller/main.ts'])).toBe('');
});

test('the images share all stages but the last ones, and so their layers', () => {
  const [controller, ...others] = ROLES.map((role) => {
    const text = readFileSync(`images/${role}.Dockerfile`, 'utf8');
    return text.slice(text.indexOf('ARG BASE_IMAGE'), text.indexOf('FROM system AS program'));
  });
  expect(controller).toMatch(/^ARG BASE_IMAGE=node:26-bookworm-slim\n/);
  for (const other of others) expect(other).toBe(controller);
});

function here(): Architecture {
  const names = Object.keys(ARCHITECTURES) as Architecture[];
  const found = names.find((name) => ARCHITECTURES[name] === process.arch);
  if (found === undefined) throw new Error(`images: not for ${process.arch}`);
  return found;
}
