import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROLES } from '../../../images/bundle.ts';
import { ROOT } from '../../support/keelson.ts';
import { Installation } from './installation.ts';
import { kubectlWith } from './kubectl.ts';

const BASE = 'manifests/kubernetes/base';
const LIMIT_MS = 180_000;

/** Installs from the manifests, or changes what is there to that tag; waits for the leader. */
export async function install(tag: string): Promise<Installation> {
  await withOverlay(tag, (directory) => call(['apply', '-k', directory]));
  await call(['rollout', 'status', 'deployment', 'keelson-orchestrator', '-n', 'keelson-system']);
  return Installation.connect();
}

/** Removes all that `install` made; data on nodes stays. */
export async function uninstall(tag: string): Promise<void> {
  await withOverlay(tag, (directory) => call(['delete', '--ignore-not-found', '-k', directory]));
}

/** As an overlay of a user's: images of another tag, nothing else. */
async function withOverlay(
  tag: string,
  work: (directory: string) => Promise<string>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-overlay-'));
  try {
    const images = ROLES.map((role) => ({ name: `keelson/${role}`, newTag: tag }));
    const kustomization = { bases: [relative(directory, join(ROOT, BASE))], images };
    writeFileSync(join(directory, 'kustomization.yaml'), JSON.stringify(kustomization));
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function call(words: readonly string[]): Promise<string> {
  return kubectlWith(undefined, words, LIMIT_MS);
}
