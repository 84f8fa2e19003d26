import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const CORPUS = 'test/fuzz/corpus';

export interface CorpusFile {
  readonly file: string;
  /** The part before the dot. */
  readonly target: string;
  readonly input: Buffer;
}

/** `TARGET.ANYTHING`: every input that ever failed, and samples of what the generators make. */
export function readCorpus(): CorpusFile[] {
  return readdirSync(CORPUS)
    .sort()
    .map((file) => ({
      file,
      target: file.split('.')[0] ?? '',
      input: readFileSync(join(CORPUS, file)),
    }));
}

/** Returns the path. */
export function saveToCorpus(target: string, input: Buffer): string {
  const digest = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const path = join(CORPUS, `${target}.${digest}`);
  writeFileSync(path, input);
  return path;
}
