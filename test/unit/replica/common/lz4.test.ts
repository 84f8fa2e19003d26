import { type Lz4, loadLiblz4, loadLz4Napi } from '../../../../replica/common/lz4.ts';
import { seededRandom } from '../support/random.ts';

const SEED = 20261121;
const random = seededRandom(SEED);
const samples = {
  zeros: Buffer.alloc(4096),
  text: Buffer.from('keelson '.repeat(8192)),
  random: Buffer.from(Array.from({ length: 4096 }, () => Math.floor(random() * 256))),
  tiny: Buffer.from('abc'),
};

let implementations: Lz4[];

beforeAll(async () => {
  const liblz4 = loadLiblz4();
  implementations = [await loadLz4Napi(), ...(liblz4 === undefined ? [] : [liblz4])];
});

test('lz4, reads what either implementation wrote, for every kind of data', () => {
  for (const writer of implementations) {
    for (const reader of implementations) {
      for (const sample of Object.values(samples)) {
        const block = Buffer.alloc(sample.length + 1024);
        const blockBytes = writer.compress(sample, block);
        const back = Buffer.alloc(sample.length);
        expect(reader.decompress(block.subarray(0, blockBytes), back)).toBe(true);
        expect(back.equals(sample)).toBe(true);
      }
    }
  }
});

test('lz4, says 0, when data does not get smaller', () => {
  for (const lz4 of implementations) {
    expect(lz4.compress(samples.random, Buffer.alloc(samples.random.length - 1))).toBe(0);
    expect(lz4.compress(Buffer.from('a'), Buffer.alloc(0))).toBe(0);
  }
});

test('lz4, refuses and stays within its target, when the block is cut, longer or damaged', () => {
  for (const lz4 of implementations) {
    const block = Buffer.alloc(1024);
    const whole = block.subarray(0, lz4.compress(samples.zeros, block));
    for (const length of [4095, 4000, 1]) {
      const around = Buffer.alloc(4096 + 64, 7);
      expect(lz4.decompress(whole, around.subarray(0, length))).toBe(false);
      expect(around.subarray(length).every((byte) => byte === 7)).toBe(true);
    }
    expect(lz4.decompress(whole, Buffer.alloc(4097))).toBe(false);
    expect(lz4.decompress(whole.subarray(0, whole.length - 3), Buffer.alloc(4096))).toBe(false);
    expect(lz4.decompress(Buffer.alloc(0), Buffer.alloc(4096))).toBe(false);
  }
});
