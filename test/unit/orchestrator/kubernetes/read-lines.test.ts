import { readLines } from '../../../../orchestrator/kubernetes/read-lines.ts';

async function* of(...chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function linesOf(chunks: readonly Buffer[], maxBytes = 1000): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readLines(of(...chunks), maxBytes)) lines.push(line);
  return lines;
}

const TEXT = Buffer.from('one\n\nzwölf €\nlast\n');
const LINES = ['one', '', 'zwölf €', 'last'];

test('lines are the same whether they come at once, byte by byte or in any two parts', async () => {
  expect(await linesOf([TEXT])).toEqual(LINES);
  expect(await linesOf([...TEXT].map((byte) => Buffer.from([byte])))).toEqual(LINES);
  for (let at = 0; at <= TEXT.length; at += 1) {
    expect(await linesOf([TEXT.subarray(0, at), TEXT.subarray(at)])).toEqual(LINES);
  }
});

test('what follows the last line feed was cut off and is dropped', async () => {
  expect(await linesOf([Buffer.from('one\ntw'), Buffer.from('o')])).toEqual(['one']);
});

test('a line is taken up to the limit, and nothing is gathered beyond it', async () => {
  const ten = Buffer.from('0123456789');
  expect(await linesOf([ten, Buffer.from('\n')], 10)).toEqual(['0123456789']);
  await expect(linesOf([ten, Buffer.from('0')], 10)).rejects.toThrow(
    'it sent a line of more than 10 bytes',
  );
});
