import { SeededRandom } from '../support/random.ts';

/**
 * Ways in which the same bytes may arrive: at once, byte by byte (unless that would take long), and
 * in pieces of random lengths that the bytes themselves decide, so that they are always the same.
 */
export function waysToCut(stream: Buffer): Buffer[][] {
  const random = new SeededRandom(stream.length * 31 + (stream[stream.length >> 1] ?? 0));
  const ways = [[stream], cut(stream, () => 1 + random.below(100))];
  if (stream.length <= 4096) ways.push(cut(stream, () => 1));
  return ways;
}

function cut(stream: Buffer, nextLength: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = at + nextLength();
    // Of its own: whoever receives may not rely on the memory behind it.
    chunks.push(Buffer.from(stream.subarray(at, end)));
    at = end;
  }
  return chunks;
}
