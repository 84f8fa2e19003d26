import { run } from './child.ts';

/** A range of a volume filled with one byte, in the words of qemu-io: `1M` at `64K`. */
export interface Pattern {
  readonly byte: number;
  readonly offset: string;
  readonly length: string;
}

export interface QemuResult {
  readonly isOk: boolean;
  readonly output: string;
}

/** Writes and then flushes, so that the data must survive anything. */
export async function writePattern(url: string, pattern: Pattern): Promise<void> {
  const result = await tryWritePattern(url, pattern);
  if (!result.isOk) throw new Error(`write to ${url}: expected success, got\n${result.output}`);
}

export function tryWritePattern(url: string, pattern: Pattern): Promise<QemuResult> {
  return qemuIo(url, [`write ${inWords(pattern)}`, 'flush']);
}

/** Throws unless every byte of the range is the pattern's. */
export async function expectPattern(url: string, pattern: Pattern): Promise<void> {
  const { isOk, output } = await qemuIo(url, [`read ${inWords(pattern)}`]);
  if (!isOk) throw new Error(`read from ${url}: expected ${inWords(pattern)}, got\n${output}`);
}

async function qemuIo(url: string, commands: readonly string[]): Promise<QemuResult> {
  const words = commands.flatMap((command) => ['-c', command]);
  const { code, stdout, stderr } = await run('qemu-io', ['-f', 'raw', ...words, url], {
    timeoutMs: 120_000,
  });
  const output = `${stdout}${stderr}`;
  return {
    isOk: code === 0 && !/^(read|write|flush|Pattern verification) failed/im.test(output),
    output,
  };
}

function inWords({ byte, offset, length }: Pattern): string {
  return `-P ${byte} ${offset} ${length}`;
}
