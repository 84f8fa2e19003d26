import { SeqTable } from '../../../../controller/volume/seq-table.ts';
import { seededRandom } from '../../replica/support/random.ts';

test('seq table behaves as a map in seq order, however far apart its entries are', () => {
  const seed = 20261121;
  const random = seededRandom(seed);
  const table = new SeqTable<{ seq: number }>();
  const map = new Map<number, { seq: number }>();
  let seq = 2 ** 32 - 100;
  for (let step = 0; step < 4_000; step += 1) {
    if (random() < 0.55) {
      seq += 1 + Math.floor(random() * random() * 200);
      const entry = { seq };
      table.add(entry);
      map.set(seq, entry);
    } else {
      const [oldest] = map.keys();
      const key = random() < 0.7 && oldest !== undefined ? oldest : seq - Math.floor(random() * 50);
      table.delete(key);
      map.delete(key);
    }
    const probe = seq - Math.floor(random() * 300);
    expect([seed, step, table.size, table.get(probe)]).toEqual([
      seed,
      step,
      map.size,
      map.get(probe),
    ]);
    if (step % 200 === 0) expect([...table.values()]).toEqual([...map.values()]);
  }
});

test('seq table lets entries be deleted and added while it is walked through', () => {
  const table = new SeqTable<{ seq: number }>();
  for (const seq of [3, 4, 9]) table.add({ seq });
  const seen: number[] = [];
  for (const { seq } of table.values()) {
    seen.push(seq);
    table.delete(seq);
    if (seq === 4) table.add({ seq: 5_000 });
  }
  expect([seen, table.size]).toEqual([[3, 4, 9, 5_000], 0]);
});
