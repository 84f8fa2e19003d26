import type { SeededRandom } from '../support/random.ts';

/** Numbers at which code goes wrong: edges of fields, of signs, and of limits that are powers of 2. */
const EDGES: readonly number[] = [
  ...[0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 47, 48, 49, 63, 64, 127, 128, 255, 256, 511, 512, 513],
  ...[4095, 4096, 8191, 8192, 8193, 65_535, 65_536, 262_143, 262_144, 262_145, 0xff_ffff],
  ...[0x3f_ffff, 0x40_0000, 0x40_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff],
];

/** Up to `most` small damages; none of them in one of four inputs. */
export function mutate(input: Buffer, random: SeededRandom, most = 4): Buffer {
  if (random.below(4) === 0) return input;
  let bytes: Buffer = Buffer.from(input);
  for (let left = 1 + random.below(most); left > 0; left -= 1) {
    bytes = random.pick(DAMAGES)(bytes, random);
  }
  return bytes;
}

/** One of the numbers at which code goes wrong, that fits `bytes` bytes; now and then any number. */
export function edgeNumber(random: SeededRandom, bytes: 1 | 2 | 3 | 4): number {
  const limit = 2 ** (8 * bytes);
  if (random.below(4) === 0) return random.below(2 ** 32) % limit;
  return (random.pick(EDGES) + (random.below(8) === 0 ? limit - 2 : 0)) % limit;
}

type Damage = (bytes: Buffer, random: SeededRandom) => Buffer;

const DAMAGES: readonly Damage[] = [
  function flipBit(bytes, random) {
    return overwrite(bytes, random, (at) => {
      bytes[at] = bytes[at]! ^ (1 << random.below(8));
    });
  },
  function setByte(bytes, random) {
    return overwrite(bytes, random, (at) => {
      bytes[at] = edgeNumber(random, 1);
    });
  },
  function setNumber(bytes, random) {
    const width = random.pick([2, 3, 4] as const);
    return overwrite(bytes, random, (at) => {
      if (at + width > bytes.length) return;
      const value = edgeNumber(random, width);
      if (random.chance(0.5)) bytes.writeUIntBE(value, at, width);
      else bytes.writeUIntLE(value, at, width);
    });
  },
  function insert(bytes, random) {
    const at = random.below(bytes.length + 1);
    const more = random.bytes(1 + random.below(8));
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
  },
  function remove(bytes, random) {
    const at = random.below(bytes.length + 1);
    const end = at + 1 + random.below(random.chance(0.5) ? 4 : 64);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
  },
  function repeat(bytes, random) {
    const at = random.below(bytes.length + 1);
    const end = at + 1 + random.below(64);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
  },
  function cut(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
];

function overwrite(bytes: Buffer, random: SeededRandom, write: (at: number) => void): Buffer {
  if (bytes.length > 0) write(random.below(bytes.length));
  return bytes;
}
