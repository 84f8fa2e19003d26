import { COMPONENTS, isProduct, isPure, readSources, type SourceFile } from './source-tree.ts';

const files = readSources();
const product = files.filter(({ path }) => isProduct(path));

/** What another component may use of a component, besides replica/common. */
const OPEN_FOLDERS = ['protocol', 'client'];

/** Within its component, a pure file leaves these to the drivers. */
const IMPURE_FOLDERS = ['io', 'admin', 'client'];

/** Files of replica/common that own a clock, a logger or native code. */
const IMPURE_COMMON = ['log.ts', 'clock.ts', 'lz4.ts'].map((name) => `replica/common/${name}`);

test('the source tree is found', () => {
  expect(product.length).toBeGreaterThan(50);
  expect(product.flatMap(({ imports }) => imports).length).toBeGreaterThan(100);
});

test('every relative import names a file with its extension', () => {
  const known = new Set(files.map(({ path }) => path));
  const wrong = eachImport(files, ({ target }) => target !== undefined && !known.has(target));
  expect(wrong.filter((line) => !line.endsWith('.mjs'))).toEqual([]);
});

test('components import in one direction, and only what the other one opens', () => {
  expect(
    eachImport(product, ({ target }, file) => {
      if (target === undefined || target.startsWith('replica/common/')) return false;
      const [from = '', to = ''] = [file.path, target].map((path) => path.split('/')[0]);
      if (from === to) return false;
      const rank = (name: string) => COMPONENTS.indexOf(name);
      const isOpen = OPEN_FOLDERS.includes(target.split('/')[1] ?? '');
      return rank(to) < 0 || rank(to) > rank(from) || !isOpen;
    }),
  ).toEqual([]);
});

test('replica/common imports nothing but itself', () => {
  const common = product.filter(({ path }) => path.startsWith('replica/common/'));
  expect(
    eachImport(common, ({ target }) => target?.startsWith('replica/common/') === false),
  ).toEqual([]);
});

test('pure folders import no Node.js, no package, no driver', () => {
  expect(
    eachImport(
      product.filter(({ path }) => isPure(path)),
      ({ target, isTypeOnly }) => {
        if (target === undefined) return true;
        const folder = target.split('/')[1] ?? '';
        const isDriver = IMPURE_FOLDERS.includes(folder) || target.endsWith('/main.ts');
        return isDriver || (IMPURE_COMMON.includes(target) && !isTypeOnly);
      },
    ),
  ).toEqual([]);
});

test('no file imports itself by a detour', () => {
  expect(findCycles(files)).toEqual([]);
});

function eachImport(
  among: readonly SourceFile[],
  isWrong: (imported: SourceFile['imports'][number], file: SourceFile) => boolean,
): string[] {
  return among.flatMap((file) =>
    file.imports
      .filter((imported) => isWrong(imported, file))
      .map((imported) => `${file.path} → ${imported.specifier}`),
  );
}

/** Depth first; a file met again while it is still being walked closes a cycle. */
function findCycles(among: readonly SourceFile[]): string[] {
  const byPath = new Map(among.map((file) => [file.path, file]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (path: string, trail: readonly string[]) => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const { target, isTypeOnly } of byPath.get(path)?.imports ?? []) {
      // What the compiler erases cannot be half loaded.
      if (target !== undefined && !isTypeOnly) walk(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const { path } of among) walk(path, []);
  return cycles;
}
