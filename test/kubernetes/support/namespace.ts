import { kubectl } from './kubectl.ts';

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

const REMOVAL_LIMIT = '120s';

export async function removeNamespace(name: string): Promise<void> {
  const words = ['delete', 'namespace', name, '--ignore-not-found', `--timeout=${REMOVAL_LIMIT}`];
  await kubectl(...words);
}
