import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROLES } from '../../../images/bundle.ts';
import { ROOT } from '../../support/keelson.ts';
import type { Harness } from './harness.ts';
import { dataRootOf, Installation, SYSTEM } from './installation.ts';
import { kubectlWith, list } from './kubectl.ts';

const MANIFESTS = 'manifests/kubernetes';
/** All but the definitions of Volume and Rule, and so the records of volumes. */
const PROGRAM = 'system';
const EVERYTHING = 'overlays/test';
const ORCHESTRATOR = 'keelson-orchestrator';

const LIMIT_MS = 180_000;

/** Installs from the manifests, or changes what is there to that tag; waits for the leader. */
export async function install(tag: string): Promise<Installation> {
  await withOverlay(EVERYTHING, tag, ['apply']);
  await call(['rollout', 'status', 'deployment', ORCHESTRATOR, '-n', SYSTEM]);
  return Installation.connect();
}

/** As manifests/README.md says: volumes stay, with their data, and are served by nobody. */
export async function uninstall(tag: string): Promise<void> {
  await withOverlay(PROGRAM, tag, ['delete', '--ignore-not-found']);
}

/** Also what tests that failed have left: their volumes, and all data. */
export async function wipe(tag: string, harness: Harness | undefined): Promise<void> {
  await uninstall(tag);
  for (const { metadata } of await list<{ metadata: { namespace: string; name: string } }>(
    'volumes.keelson.io',
    { isEverywhere: true },
  )) {
    const patch = JSON.stringify({ metadata: { finalizers: null } });
    const object = ['volumes.keelson.io', metadata.name, '-n', metadata.namespace];
    await call(['patch', ...object, '--type', 'merge', '--patch', patch]);
  }
  await withOverlay(EVERYTHING, tag, ['delete', '--ignore-not-found']);
  for (const node of harness?.nodeNames() ?? []) {
    const root = dataRootOf(harness as Harness, node);
    if (existsSync(root)) rmSync(root, { recursive: true });
  }
}

/** As an overlay of a user's: images of another tag, from which controllers and replicas follow. */
async function withOverlay(base: string, tag: string, command: readonly string[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-overlay-'));
  const kustomization = {
    bases: [relative(directory, join(ROOT, MANIFESTS, base))],
    images: ROLES.map((role) => ({ name: `keelson/${role}`, newTag: tag })),
  };
  writeFileSync(join(directory, 'kustomization.yaml'), JSON.stringify(kustomization));
  try {
    await call([...command, '-k', directory]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function call(words: readonly string[]): Promise<string> {
  return kubectlWith(undefined, words, LIMIT_MS);
}
