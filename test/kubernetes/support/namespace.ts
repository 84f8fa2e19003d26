import { kubectl, kubectlWith } from './kubectl.ts';

/**
 * A namespace for the tests of a file: made anew before them, removed with all that is in it after
 * them. A failed run may have left one.
 */
export function useNamespace(name: string): void {
  beforeAll(async () => {
    await removeNamespace(name);
    await kubectl('create', 'namespace', name);
  });
  afterAll(() => removeNamespace(name));
}

/** Volumes in it are removed first. */
const LIMIT_MS = 240_000;

export async function removeNamespace(name: string): Promise<void> {
  await kubectlWith(undefined, ['delete', 'namespace', name, '--ignore-not-found'], LIMIT_MS);
}
