import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listFiles } from './source-tree.ts';

const README_MAX_LINES = 110;
const REQUIREMENTS = [...ids('S', 52), ...ids('N', 11), ...ids('B', 8)];

test('the README can be read in one go', () => {
  expect(lines('README.md').length).toBeLessThanOrEqual(README_MAX_LINES);
});

test('the changelog has a section for what changes next or changed last', () => {
  expect(readFileSync('CHANGELOG.md', 'utf8')).toMatch(/^## \[(Unreleased|\d+\.\d+\.\d+)\]/m);
});

test('every requirement has one row, with what shows it', () => {
  const rows = lines('docs/requirements.md')
    .map((line) => /^\|\s*([SNB]\d+)\s*\|(.*)\|\s*$/.exec(line))
    .filter((match) => match !== null);
  expect(rows.map((row) => row[1])).toEqual(REQUIREMENTS);
  const empty = rows.filter((row) => (row[2] ?? '').split('|').some((cell) => cell.trim() === ''));
  expect(empty.map((row) => row[1])).toEqual([]);
});

test('every test that a requirement names exists under that title', () => {
  const named = lines('docs/requirements.md').flatMap((line) => [
    ...line.matchAll(/`((?:unit|e2e|docker|kubernetes|tidy|sim)\/[^`]+)`: (.+?)(?=; `| \|$|\. `)/g),
  ]);
  expect(named.length).toBeGreaterThan(10);
  const missing = named
    .map(([, file = '', title = '']) => ({ path: sourceOf(file), title }))
    .filter(({ path, title }) => !existsSync(path) || !readFileSync(path, 'utf8').includes(title))
    .map(({ path, title }) => `${path}: ${title}`);
  expect(missing).toEqual([]);
});

test('decision records are numbered without gaps and each one is listed', () => {
  const records = listFiles('docs/adr/[0-9]*.md').map((path) => path.slice('docs/adr/'.length));
  expect(records.map((name) => Number(name.slice(0, 4)))).toEqual(records.map((_, i) => i + 1));
  const elsewhere = listFiles('*.md').filter((path) => !/^docs\/adr\/\d/.test(path));
  const listed = elsewhere.map((path) => readFileSync(path, 'utf8')).join('\n');
  expect(records.filter((name) => !listed.includes(name))).toEqual([]);
});

test('every relative link of the documents leads to a file', () => {
  const broken = listFiles('*.md').flatMap((path) => {
    const links = readFileSync(path, 'utf8').matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g);
    return [...links]
      .map((link) => join(dirname(path), link[1] ?? ''))
      .filter((target) => !existsSync(target))
      .map((target) => `${path} → ${target}`);
  });
  expect(broken).toEqual([]);
});

test('every npm script that the documents name exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = listFiles('*.md').flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/npm run (?:-s |--silent )?([\w:-]+)/g)].map(
      (match) => match[1] ?? '',
    ),
  );
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
});

/** Scenarios of the resilience suite are data, which one test plays. */
function sourceOf(file: string): string {
  return /^(docker|kubernetes)\/resilience\//.test(file)
    ? `test/${file}.ts`
    : `test/${file}.test.ts`;
}

function ids(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
}

function lines(path: string): string[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}
