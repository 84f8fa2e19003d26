import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import {
  findInCode,
  isProduct,
  isPure,
  reachableFrom,
  readSources,
  type SourceFile,
} from './source-tree.ts';

const files = readSources();
const product = files.filter(({ path }) => isProduct(path));

const MAX_LINES = 400;

interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files that may: the doors themselves. */
  readonly except?: (path: string) => boolean;
}

/** In pure folders time, chance and waiting come in as events. */
const IMPURE: readonly Ban[] = [
  { pattern: /\bDate\.now\b|\bnew Date\(|\bperformance\./, instead: 'nowMs in the event' },
  { pattern: /\bMath\.random\b/, instead: 'a value in the event' },
  { pattern: /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, instead: 'a tick event' },
  {
    pattern: /\bPromise\b|\basync\b|\bawait\b/,
    instead: 'an effect, and an event with its outcome',
  },
  {
    pattern: /\bprocess\.(env|argv|exit|stdout|stderr|hrtime|nextTick|on|once|pid)\b|\bconsole\./,
    instead: 'an effect',
  },
];

const isMain = (path: string) => path.endsWith('/main.ts');

const BANNED: readonly Ban[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(/,
    instead: 'Clock of replica/common/clock.ts',
    except: isMain, // only for the time of day that people read
  },
  {
    pattern: /\bperformance\./,
    instead: 'Clock of replica/common/clock.ts',
    except: (path) => path === 'replica/common/clock.ts',
  },
  {
    pattern: /\bMath\.random\b/,
    instead: 'randomBytes of node:crypto, or a value handed in',
    except: (path) => path.endsWith('/io/process.ts'), // hands the value in
  },
  {
    pattern: /\bconsole\./,
    instead: 'Log of replica/common/log.ts, or process.stdout for what was asked for',
  },
  {
    pattern: /\bprocess\.exit\(/,
    instead: 'a thrown error or a returned outcome',
    except: isMain,
  },
  { pattern: /\bimport\.meta\b/, instead: 'a path handed in by main.ts', except: isMain },
];

test('pure folders hold no clock, chance, promise, timer or console', () => {
  expect(
    violations(
      product.filter(({ path }) => isPure(path)),
      IMPURE,
    ),
  ).toEqual([]);
});

test('calls with a named replacement are not used', () => {
  expect(violations(product, BANNED)).toEqual([]);
});

test(`no file is longer than ${MAX_LINES} lines`, () => {
  const long = files
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES);
  expect(long).toEqual([]);
});

test('nothing is exported as default, and no type check is switched off', () => {
  const bans: readonly Ban[] = [{ pattern: /^\s*export default\b/, instead: 'a named export' }];
  expect(violations(files, bans)).toEqual([]);
  const silencer = new RegExp('@ts-' + '(ignore|nocheck|expect-error)');
  expect(files.filter(({ text }) => silencer.test(text)).map(({ path }) => path)).toEqual([]);
});

test('nothing is left for later in the code', () => {
  const marker = new RegExp(['TO', 'DO|FIX', 'ME|XX', 'X\\b'].join(''));
  expect(files.filter(({ text }) => marker.test(text)).map(({ path }) => path)).toEqual([]);
});

test('every file of the product is used by a program', () => {
  const programs = product.map(({ path }) => path).filter(isMain);
  const used = reachableFrom(programs, files);
  const dead = product.map(({ path }) => path).filter((path) => isDead(path, used));
  expect(dead).toEqual([]);
});

test('every file of the tests is used by a test or a script', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = Object.values(scripts).join(' ') + readFileSync('jest.config.mjs', 'utf8');
  const tests = files.filter(({ path }) => path.startsWith('test/'));
  const paths = tests.map(({ path }) => path);
  const isTest = (path: string) => path.endsWith('.test.ts');
  // A test may also start a program that lies beside it, by its name.
  const code = tests.map((file) => file.code).join('\n');
  const roots = paths.filter(
    (path) => isTest(path) || named.includes(path) || code.includes(`'${basename(path)}'`),
  );
  const used = reachableFrom(roots, files);
  expect(paths.filter((path) => isDead(path, used))).toEqual([]);
});

function isDead(path: string, used: ReadonlySet<string>): boolean {
  return !used.has(path) && !path.endsWith('.d.ts');
}

function violations(among: readonly SourceFile[], bans: readonly Ban[]): string[] {
  return among.flatMap((file) =>
    bans
      .filter(({ except }) => except?.(file.path) !== true)
      .flatMap(({ pattern, instead }) => findInCode(file, pattern, `use ${instead}`)),
  );
}
