import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** One TypeScript file of the repository, as the tidy tests look at it. */
export interface SourceFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
  /** The text without comments, line by line the same. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written: `node:fs`, `winston`, `../common/assert.ts`. */
  readonly specifier: string;
  /** Path from the root; undefined for packages and Node.js itself. */
  readonly target: string | undefined;
  /** Erased by the compiler, so nothing is loaded. */
  readonly isTypeOnly: boolean;
}

/** Each component may use those before it. */
export const COMPONENTS: readonly string[] = ['replica', 'controller', 'orchestrator'];

export const PURE_FOLDERS = [
  'replica/protocol',
  'replica/store',
  'replica/core',
  'controller/protocol',
  'controller/iscsi',
  'controller/scsi',
  'controller/volume',
  'controller/core',
  'orchestrator/model',
  'orchestrator/plan',
  'orchestrator/docker-driver/core',
  'orchestrator/provisioner/core',
] as const;

/** Everything that git has or would take, so that a file is judged before its first commit. */
export function listFiles(...patterns: readonly string[]): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns];
  const paths = execFileSync('git', args, { encoding: 'utf8' }).split('\n');
  return paths.filter((path) => path !== '' && existsSync(path)).sort();
}

export function readSources(): SourceFile[] {
  return listFiles('*.ts').map((path) => {
    const text = readFileSync(path, 'utf8');
    const code = withoutComments(text);
    return { path, text, code, imports: importsIn(path, code) };
  });
}

export function isProduct(path: string): boolean {
  return COMPONENTS.some((component) => path.startsWith(`${component}/`));
}

export function isPure(path: string): boolean {
  return PURE_FOLDERS.some((folder) => path.startsWith(`${folder}/`));
}

/** `path:line: what` for each match of `pattern` in the code of a file. */
export function findInCode(file: SourceFile, pattern: RegExp, what: string): string[] {
  return file.code
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${what}`] : []));
}

/** All files that are loaded or named, directly or not, from `roots`. */
export function reachableFrom(roots: readonly string[], files: readonly SourceFile[]): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const open = [...roots];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { target } of byPath.get(path)?.imports ?? []) {
      if (target !== undefined) open.push(target);
    }
  }
  return reached;
}

function importsIn(path: string, code: string): Import[] {
  const statement = /\b(?:import|export)\s+(type\s)?(?:[\w*${}\s,]*?\bfrom\s+)?'([^'\n]+)'/g;
  const call = /\bimport\(\s*()'([^'\n]+)'\s*\)/g;
  return [...code.matchAll(statement), ...code.matchAll(call)].map((match) => {
    const specifier = match[2] ?? '';
    const isRelative = specifier.startsWith('.');
    return {
      specifier,
      target: isRelative ? normalize(join(dirname(path), specifier)) : undefined,
      isTypeOnly: (match[1] ?? '') !== '',
    };
  });
}

/** Good enough for our own style: `//` after a colon is part of a URL. */
function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
}
