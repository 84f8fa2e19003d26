import { run } from '../../support/child.ts';

/** More than any command of a healthy cluster takes; a frozen API server never answers. */
const LIMIT_MS = 60_000;

const STDERR_CHARS = 2_000;

/** Runs kubectl to its end. Throws with what it said unless it ended with 0. */
export async function kubectl(...words: readonly string[]): Promise<string> {
  return kubectlWith(undefined, words);
}

export async function kubectlWith(
  input: string | undefined,
  words: readonly string[],
  timeoutMs = LIMIT_MS,
): Promise<string> {
  const { code, stdout, stderr } = await run('kubectl', words, {
    ...{ timeoutMs },
    ...(input === undefined ? {} : { input }),
  });
  if (code === 0) return stdout;
  // It shows the objects first, and says at the end what is wrong with them.
  const said = stderr.slice(-STDERR_CHARS);
  throw new Error(`kubectl ${words.join(' ')}: expected exit code 0, got ${code}\n${said}`);
}

/** What the server refuses is thrown in its own words. */
export async function apply(...objects: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await kubectlWith(JSON.stringify(list), ['apply', '-f', '-']);
}

/** As `apply`, and returns what the server said against it; throws if it took it. */
export async function applyInVain(object: object): Promise<string> {
  try {
    await apply(object);
  } catch (error) {
    return String(error);
  }
  throw new Error(`expected ${JSON.stringify(object)} to be refused, it was taken`);
}

/** An object of any kind; undefined when there is none. */
export async function find<T>(
  kind: string,
  name: string,
  namespace?: string,
): Promise<T | undefined> {
  const words = ['get', kind, name, '--ignore-not-found', '-o', 'json', ...inNamespace(namespace)];
  const text = await kubectl(...words);
  return text.trim() === '' ? undefined : (JSON.parse(text) as T);
}

/** As `find`, where there must be one. */
export async function get<T>(kind: string, name: string, namespace?: string): Promise<T> {
  const found = await find<T>(kind, name, namespace);
  if (found === undefined) throw new Error(`expected ${kind} ${name}, there is none`);
  return found;
}

export async function list<T>(
  kind: string,
  options: { namespace?: string; selector?: string; isEverywhere?: boolean } = {},
): Promise<T[]> {
  const { namespace, selector, isEverywhere = false } = options;
  const selection = [
    ...(selector === undefined ? [] : ['--selector', selector]),
    ...(isEverywhere ? ['--all-namespaces'] : []),
  ];
  const words = ['get', kind, '-o', 'json', ...inNamespace(namespace), ...selection];
  const { items } = JSON.parse(await kubectl(...words)) as { items: T[] };
  return items;
}

function inNamespace(namespace: string | undefined): string[] {
  return namespace === undefined ? [] : ['--namespace', namespace];
}
