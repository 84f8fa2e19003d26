import { MAX_MAP_STEPS } from '../../../../controller/scsi/limits.ts';
import { SeededRandom } from '../../../support/random.ts';
import { BLOCK_COUNT, Fixture, hex, SIZE_BYTES, senseOf } from './fixture.ts';

const MAPPED = 0;
const DEALLOCATED = 1;

function statusFrom(fixture: Fixture, lba: number, allocationBytes = 0xffff): number[][] {
  const { dataIn } = fixture.send(`9e12 ${hex(lba, 16)} ${hex(allocationBytes, 8)}`);
  expect(dataIn.readUInt32BE(0)).toBe(dataIn.length - 4);
  const runs: number[][] = [];
  for (let at = 8; at < dataIn.length; at += 16) {
    const status = dataIn[at + 12] as number;
    runs.push([Number(dataIn.readBigUInt64BE(at)), dataIn.readUInt32BE(at + 8), status]);
  }
  return runs;
}

describe('GET LBA STATUS', () => {
  test('tells runs of mapped and deallocated blocks up to the end of the volume', () => {
    const fixture = new Fixture();
    fixture.bytes.fill(1, 4096, 3 * 4096);
    fixture.bytes[10 * 4096 + 700] = 1;
    expect(statusFrom(fixture, 0)).toEqual([
      [0, 8, DEALLOCATED],
      [8, 16, MAPPED],
      [24, 56, DEALLOCATED],
      [80, 8, MAPPED],
      [88, BLOCK_COUNT - 88, DEALLOCATED],
    ]);
  });

  test('begins at the block that was asked for, also in the middle of a physical block', () => {
    const fixture = new Fixture();
    fixture.bytes.fill(1, 4096, 8192);
    expect(statusFrom(fixture, 11).slice(0, 1)).toEqual([[11, 5, MAPPED]]);
    expect(statusFrom(fixture, BLOCK_COUNT - 1)).toEqual([[BLOCK_COUNT - 1, 1, DEALLOCATED]]);
  });

  test('returns as many descriptors as fit, and at least one', () => {
    const fixture = new Fixture();
    for (let at = 0; at < 100; at += 2) fixture.bytes[at * 4096] = 1;
    expect(statusFrom(fixture, 0, 8 + 16 * 3 + 15)).toHaveLength(3);
    const cut = fixture.send(`9e12 ${hex(0, 16)} 0000000a`);
    expect([cut.dataIn.length, cut.dataIn.readUInt32BE(0)]).toEqual([10, 20]);
  });

  test('joins what it learns from several looks at a long volume, and stops looking', () => {
    const sizeBytes = 2 ** 42;
    const fixture = new Fixture(sizeBytes);
    const looks = new Set<number>();
    fixture.mapOf = ({ offset, length }) => {
      looks.add(offset);
      expect([offset % 4096, length <= 32 * 1024 * 1024]).toEqual([0, true]);
      return Buffer.alloc(length / 4096);
    };
    const [run, ...others] = statusFrom(fixture, 0);
    expect(run).toEqual([0, looks.size * 65536, DEALLOCATED]);
    expect(others).toEqual([]);
    expect(looks.size).toBe(MAX_MAP_STEPS);
  });

  test('counts the last block of a volume that is not whole ones', () => {
    const fixture = new Fixture(8192 + 512);
    expect(statusFrom(fixture, 0)).toEqual([[0, 17, DEALLOCATED]]);
    expect(statusFrom(fixture, 16)).toEqual([[16, 1, DEALLOCATED]]);
  });

  test('is refused past the last block, and fails as its reads do', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(`9e12 ${hex(BLOCK_COUNT, 16)} 00000018`))).toBe('05/21/00');
    expect(senseOf(fixture.send('9e12 ffffffffffffffff 00000018'))).toBe('05/21/00');
    fixture.failure = 'NOT_READY';
    expect(senseOf(fixture.send(`9e12 ${hex(0, 16)} 00000018`))).toBe('02/04/00');
  });

  test('agrees with the map, block by block, from any start', () => {
    const random = new SeededRandom(20261121);
    const fixture = new Fixture();
    for (let at = 0; at < SIZE_BYTES; at += 4096) if (random.chance(0.4)) fixture.bytes[at] = 1;
    for (let round = 0; round < 200; round += 1) {
      const lba = random.below(BLOCK_COUNT);
      let expected = lba;
      for (const [start, blocks, status] of statusFrom(fixture, lba, 8 + 16 * 20)) {
        expect(start).toBe(expected);
        for (
          let block = start as number;
          block < (start as number) + (blocks as number);
          block += 1
        ) {
          const isMapped = fixture.bytes[(block >> 3) * 4096] === 1;
          if (isMapped !== (status === MAPPED)) throw new Error(`block ${block} of ${lba}`);
        }
        expected += blocks as number;
      }
    }
  });
});
