import { SlabPool } from '../../../../controller/io/slab-pool.ts';

const PIECE_BYTES = 256 * 1024;
const PIECES_PER_SLAB = 4;

function take(pool: SlabPool, count: number): Buffer[] {
  return Array.from({ length: count }, () => pool.allocate(PIECE_BYTES));
}

describe('slab pool', () => {
  test('uses a slab again only when every piece of it was given back', () => {
    const pool = new SlabPool();
    const first = take(pool, PIECES_PER_SLAB);
    const second = take(pool, PIECES_PER_SLAB);
    for (const piece of first.slice(1)) pool.giveBack(piece);
    expect(take(pool, PIECES_PER_SLAB)[0]!.buffer).not.toBe(first[0]!.buffer);
    pool.giveBack(first[0]!);
    const reused = take(pool, PIECES_PER_SLAB);
    expect(reused[0]!.buffer).toBe(first[0]!.buffer);
    expect(reused[0]!.buffer).not.toBe(second[0]!.buffer);
  });

  test('never overlaps pieces that are in use, whatever the order they come back in', () => {
    const pool = new SlabPool();
    let inUse: Buffer[] = [];
    for (let round = 0; round < 200; round += 1) {
      inUse.push(pool.allocate(1 + ((round * 7919) % PIECE_BYTES)).fill(round % 251));
      const isKept = (_: Buffer, at: number): boolean => (at * 31 + round) % 5 !== 0;
      for (const piece of inUse.filter((piece, at) => !isKept(piece, at))) pool.giveBack(piece);
      inUse = inUse.filter(isKept);
      for (const piece of inUse) expect(piece.every((byte) => byte === piece[0])).toBe(true);
    }
  });

  test('waits for every part of a piece that was cut into several', () => {
    const pool = new SlabPool();
    const [piece] = take(pool, 1);
    pool.retain(piece!, 2);
    take(pool, PIECES_PER_SLAB - 1).forEach((other) => {
      pool.giveBack(other);
    });
    take(pool, 1); // the slab is no longer the current one
    pool.giveBack(piece!);
    pool.giveBack(piece!);
    expect(take(pool, PIECES_PER_SLAB).every(({ buffer }) => buffer !== piece!.buffer)).toBe(true);
    pool.giveBack(piece!);
    expect(take(pool, PIECES_PER_SLAB).some(({ buffer }) => buffer === piece!.buffer)).toBe(true);
  });

  test('gives a long piece memory of its own', () => {
    const pool = new SlabPool();
    const long = pool.allocate(2 * 1024 * 1024);
    expect(long).toHaveLength(2 * 1024 * 1024);
    pool.giveBack(long);
    expect(pool.allocate(PIECE_BYTES).buffer).not.toBe(long.buffer);
  });
});
