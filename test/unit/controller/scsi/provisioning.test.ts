import { BLOCK_COUNT, Fixture, hex, makeBlocks, SIZE_BYTES, senseOf } from './fixture.ts';

const INVALID_CDB = '05/24/00';
const LIST_LENGTH = '05/1a/00';

interface Descriptor {
  readonly lba: number;
  readonly blocks: number;
}

function makeList(descriptors: readonly Descriptor[]): Buffer {
  const list = Buffer.alloc(8 + 16 * descriptors.length);
  list.writeUInt16BE(list.length - 2, 0);
  list.writeUInt16BE(list.length - 8, 2);
  for (const [index, { lba, blocks }] of descriptors.entries()) {
    list.writeBigUInt64BE(BigInt(lba), 8 + 16 * index);
    list.writeUInt32BE(blocks, 16 + 16 * index);
  }
  return list;
}

describe('UNMAP', () => {
  const cdb = (listBytes: number, flags = 0) =>
    `42 ${hex(flags, 2)} 00000000 00 ${hex(listBytes, 4)}`;
  const send = (fixture: Fixture, descriptors: readonly Descriptor[]) => {
    const list = makeList(descriptors);
    return fixture.send(cdb(list.length), list);
  };

  test('trims each range, down to one logical block', () => {
    const fixture = new Fixture();
    const outcome = send(fixture, [
      { lba: 3, blocks: 1 },
      { lba: 7, blocks: 0 },
      { lba: BLOCK_COUNT - 8, blocks: 8 },
    ]);
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 56]);
    expect(fixture.operations).toEqual([
      { kind: 'trim', offset: 1536, length: 512 },
      { kind: 'trim', offset: SIZE_BYTES - 4096, length: 4096 },
    ]);
  });

  test('does nothing for an empty list, no descriptors, and 0 blocks at the end', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(cdb(0)))).toBe('good');
    expect(senseOf(send(fixture, []))).toBe('good');
    expect(senseOf(send(fixture, [{ lba: BLOCK_COUNT, blocks: 0 }]))).toBe('good');
    expect(fixture.operations).toEqual([]);
  });

  test('takes 256 descriptors and refuses 257', () => {
    const many = (count: number) => new Array(count).fill({ lba: 0, blocks: 1 });
    expect(senseOf(send(new Fixture(), many(256)))).toBe('good');
    expect(senseOf(send(new Fixture(), many(257)))).toBe('05/26/00');
  });

  test('bounds the blocks of one command', () => {
    const plan = (blocks: number) => {
      const fixture = new Fixture(2 ** 40);
      fixture.failure = 'IO_FAILED';
      return senseOf(
        send(fixture, [
          { lba: 0, blocks },
          { lba: 2 ** 30, blocks: 2 ** 19 },
        ]),
      );
    };
    expect(plan(2 ** 19)).toBe('04/44/00');
    expect(plan(2 ** 19 + 1)).toBe('05/26/00');
  });

  test('trims nothing when any descriptor is out of range', () => {
    const fixture = new Fixture();
    const outcome = send(fixture, [
      { lba: 0, blocks: 1 },
      { lba: BLOCK_COUNT, blocks: 1 },
    ]);
    expect(senseOf(outcome)).toBe('05/21/00');
    expect(fixture.operations).toEqual([]);
  });

  test('is refused with ANCHOR, a short list, or fewer bytes than it says', () => {
    const list = makeList([{ lba: 0, blocks: 1 }]);
    const send = (text: string, data = list) => senseOf(new Fixture().send(text, data));
    expect(send(cdb(24, 0x01))).toBe(INVALID_CDB);
    expect(send(cdb(7))).toBe(LIST_LENGTH);
    expect(send(cdb(24), list.subarray(0, 23))).toBe(LIST_LENGTH);
    expect(send(cdb(16))).toBe(LIST_LENGTH);
  });
});

describe.each([0x41, 0x93])('WRITE SAME %#', (opcode) => {
  const cdb = (fields: { flags?: number; lba?: number; blocks?: number }) => {
    const { flags = 0, lba = 0, blocks = 1 } = fields;
    return opcode === 0x41
      ? `41 ${hex(flags, 2)} ${hex(lba, 8)} 00 ${hex(blocks, 4)}`
      : `93 ${hex(flags, 2)} ${hex(lba, 16)} ${hex(blocks, 8)}`;
  };

  test('repeats its block over the range, in writes of at most 1 MiB', () => {
    const fixture = new Fixture();
    const block = makeBlocks(1);
    const outcome = fixture.send(cdb({ lba: 3, blocks: 5000 }), block);
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 512]);
    expect(fixture.operations).toHaveLength(3);
    const written = fixture.bytes.subarray(3 * 512, 5003 * 512);
    expect(written.equals(Buffer.alloc(5000 * 512, block))).toBe(true);
    expect(fixture.bytes.readUInt8(5003 * 512)).toBe(0);
    expect(fixture.bytes.subarray(0, 3 * 512).equals(Buffer.alloc(3 * 512))).toBe(true);
  });

  test('trims with UNMAP only when the block is all zeros', () => {
    const fixture = new Fixture();
    fixture.send(cdb({ flags: 0x08, lba: 2, blocks: 9 }), Buffer.alloc(512));
    fixture.send(cdb({ flags: 0x08 }), makeBlocks(1));
    fixture.send(cdb({}), Buffer.alloc(512));
    expect(fixture.operations).toMatchObject([
      { kind: 'trim', offset: 1024, length: 4608 },
      { kind: 'write' },
      { kind: 'write' },
    ]);
  });

  test.each([
    ['WRPROTECT', { flags: 0x20 }, 512, INVALID_CDB],
    ['ANCHOR', { flags: 0x18 }, 512, INVALID_CDB],
    ['obsolete LBDATA', { flags: 0x02 }, 512, INVALID_CDB],
    ['0 blocks', { blocks: 0 }, 512, INVALID_CDB],
    ['0 blocks past the end', { lba: BLOCK_COUNT + 1, blocks: 0 }, 512, '05/21/00'],
    ['a range past the end', { lba: BLOCK_COUNT, blocks: 1 }, 512, '05/21/00'],
    ['half a block', {}, 256, INVALID_CDB],
    ['two blocks', {}, 1024, INVALID_CDB],
    ['no block', {}, 0, INVALID_CDB],
  ])('is refused: %s', (_name, fields, bytes, sense) => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(cdb(fields), Buffer.alloc(bytes)))).toBe(sense);
    expect(fixture.operations).toEqual([]);
  });

  test('is refused above the maximum write same length', () => {
    const send = (blocks: number) => {
      const fixture = new Fixture(2 ** 30);
      fixture.failure = 'IO_FAILED';
      return senseOf(fixture.send(cdb({ blocks }), Buffer.alloc(512)));
    };
    expect(send(32768)).toBe('04/44/00');
    expect(send(32769)).toBe(INVALID_CDB);
  });
});

test('WRITE SAME(16) with NDOB needs no block, and (10) knows no NDOB', () => {
  const fixture = new Fixture();
  const outcome = fixture.send('93 09 0000000000000008 00000010');
  expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 0]);
  expect(fixture.operations).toEqual([{ kind: 'trim', offset: 4096, length: 8192 }]);
  expect(senseOf(fixture.send('41 09 00000008 00 0010'))).toBe(INVALID_CDB);
});
