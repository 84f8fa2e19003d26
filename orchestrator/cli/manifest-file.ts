import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isPair, isScalar, LineCounter, parseAllDocuments } from 'yaml';
import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import {
  decodeManifest,
  describeManifest,
  type Manifest,
  ManifestFault,
} from '../model/manifest.ts';
import { readChapFile } from './chap-file.ts';

/** One document, checked as far as it can be without an orchestrator. */
export interface Declared {
  readonly manifest: Manifest;
  readonly chap: ChapCredentials | undefined;
  /** `volumes.yaml, document 2, line 12`. */
  readonly where: string;
}

export interface ReadOptions {
  /** Of documents that name none. */
  readonly namespace: string | undefined;
  readonly readInput: () => Promise<string>;
}

const INPUT = '-';
const MAX_CHARS = 4 * 1024 * 1024;
/** Documents that repeat others by alias grow no further than what people write. */
const MAX_ALIASES = 100;

/**
 * Reads every document of YAML files; `-` is standard input. All of it is checked before anybody
 * does anything with it.
 *
 * Errors: INVALID_ARGUMENT, naming file, line and field; IO_FAILED; those of a CHAP file.
 */
export async function readManifestFiles(
  paths: readonly string[],
  options: ReadOptions,
): Promise<readonly Declared[]> {
  const declared: Declared[] = [];
  const known = new Map<string, string>();
  for (const path of paths) {
    for (const { manifest, where } of parseManifests(
      path,
      await readText(path, options),
      options,
    )) {
      const what = describeManifest(manifest);
      const earlier = known.get(what);
      if (earlier !== undefined) throw invalid(`${where}: ${what} stands in ${earlier} as well`);
      known.set(what, where);
      declared.push({ manifest, where, chap: await readChapOf(manifest, { path, where }) });
    }
  }
  if (declared.length > 0) return declared;
  throw invalid(`${paths.map(nameOf).join(', ')}: expected at least one document, got none`);
}

function parseManifests(
  path: string,
  text: string,
  { namespace }: ReadOptions,
): { manifest: Manifest; where: string }[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  return [...documents].flatMap((document, index) => {
    const number = documents.length > 1 ? `document ${index + 1}, ` : '';
    const whereIs = (offset: number) =>
      `${nameOf(path)}, ${number}line ${lines.linePos(offset).line}`;
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw invalid(`${whereIs(problem.pos[0])}: ${problem.message}`);
    try {
      const value = toValue(document);
      if (value === null) return []; // nothing, or comments, between two lines of dashes
      const where = whereIs(document.contents?.range[0] ?? 0);
      return [{ manifest: decodeManifest(value, namespace), where }];
    } catch (error) {
      const at = error instanceof ManifestFault ? offsetOf(document, error.path) : 0;
      throw invalid(`${whereIs(at)}: ${messageOf(error)}`);
    }
  });
}

function toValue(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new ManifestFault([], messageOf(error)); // more aliases than anybody needs
  }
}

/** Where the deepest part of `path` that is there begins. */
function offsetOf(document: Document.Parsed, path: readonly string[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const name of path) {
    if (!isMap(node)) return offset;
    const pair = node.items.find(
      (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === name,
    );
    if (pair === undefined || !isScalar(pair.key)) return offset;
    offset = pair.key.range?.[0] ?? offset;
    node = pair.value;
  }
  return offset;
}

async function readChapOf(
  manifest: Manifest,
  { path, where }: { readonly path: string; readonly where: string },
): Promise<ChapCredentials | undefined> {
  if (manifest.kind !== 'Volume' || manifest.chapSecretFile === undefined) return undefined;
  const folder = path === INPUT ? '.' : dirname(path);
  try {
    return await readChapFile(resolve(folder, manifest.chapSecretFile));
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    const message = `${where}: spec.chapSecretFile: ${error.message}`;
    throw new KeelsonError(error.code, message, { cause: error });
  }
}

async function readText(path: string, { readInput }: ReadOptions): Promise<string> {
  const text = path === INPUT ? await readInput() : await readWhole(path);
  if (text.length <= MAX_CHARS) return text;
  throw invalid(`${nameOf(path)}: expected at most ${MAX_CHARS} characters, got ${text.length}`);
}

async function readWhole(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new KeelsonError('IO_FAILED', `read ${path}: ${messageOf(cause)}`, { cause });
  }
}

function nameOf(path: string): string {
  return path === INPUT ? 'standard input' : path;
}

function invalid(message: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', message);
}
