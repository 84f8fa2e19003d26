import { BLOCK_COUNT, Fixture, hex, makeBlocks, senseOf } from './fixture.ts';

const INVALID_CDB = '05/24/00';
const OUT_OF_RANGE = '05/21/00';

/** A CDB of 6, 10, 12 or 16 bytes with its flags, LBA and block count in their places. */
function makeCdb(
  opcode: number,
  fields: { flags?: number; lba?: number; blocks?: number },
): string {
  const { flags = 0, lba = 0, blocks = 1 } = fields;
  const start = hex(opcode, 2) + hex(flags, 2);
  switch (opcode >> 5) {
    case 0:
      return hex(opcode, 2) + hex(lba, 6) + hex(blocks, 2);
    case 4:
      return start + hex(lba, 16) + hex(blocks, 8);
    case 5:
      return start + hex(lba, 8) + hex(blocks, 8);
    default:
      return `${start}${hex(lba, 8)}00${hex(blocks, 4)}`;
  }
}

const READS = [0x08, 0x28, 0xa8, 0x88];
const WRITES = [0x0a, 0x2a, 0xaa, 0x8a];
const VERIFIES = [0x2f, 0xaf, 0x8f];
const WRITE_AND_VERIFIES = [0x2e, 0xae, 0x8e];

describe.each(READS)('read command %#', (opcode) => {
  test('returns the blocks that it names', () => {
    const fixture = new Fixture();
    makeBlocks(3).copy(fixture.bytes, 5 * 512);
    const outcome = fixture.send(makeCdb(opcode, { lba: 5, blocks: 3 }));
    expect(senseOf(outcome)).toBe('good');
    expect(outcome.dataIn.equals(makeBlocks(3))).toBe(true);
    expect(outcome.transferBytes).toBe(3 * 512);
    expect(fixture.operations).toHaveLength(1);
  });

  test('is refused past the last block', () => {
    const fixture = new Fixture();
    const last = makeCdb(opcode, { lba: BLOCK_COUNT - 1, blocks: 1 });
    expect(senseOf(fixture.send(last))).toBe('good');
    const past = makeCdb(opcode, { lba: BLOCK_COUNT - 1, blocks: 2 });
    expect(senseOf(fixture.send(past))).toBe(OUT_OF_RANGE);
  });
});

describe.each(READS.slice(1))('read command with flags %#', (opcode) => {
  test('refuses RDPROTECT', () => {
    const outcome = new Fixture().send(makeCdb(opcode, { flags: 0x20 }));
    expect(senseOf(outcome)).toBe(INVALID_CDB);
    expect(outcome.sense?.subarray(15)).toEqual(Buffer.from([0xc0, 0, 1]));
  });

  test('moves nothing for length 0, yet checks the address', () => {
    const fixture = new Fixture();
    const outcome = fixture.send(makeCdb(opcode, { blocks: 0 }));
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 0]);
    const past = makeCdb(opcode, { lba: BLOCK_COUNT + 1, blocks: 0 });
    expect(senseOf(fixture.send(past))).toBe(OUT_OF_RANGE);
    expect(fixture.operations).toEqual([]);
  });

  test('flushes what it read when FUA is set', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(makeCdb(opcode, { flags: 0x18 })))).toBe('good');
    expect(fixture.operations.map(({ kind }) => kind)).toEqual(['read', 'flush']);
  });

  test('is refused above the maximum transfer length', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(makeCdb(opcode, { blocks: 8192 })))).toBe('good');
    expect(senseOf(fixture.send(makeCdb(opcode, { blocks: 8193 })))).toBe(INVALID_CDB);
  });
});

test.each([
  ['0x20000000000000', '0020000000000000'],
  ['2^64 - 1', 'ffffffffffffffff'],
])('READ(16) is refused at an address above 2^53: %s', (_name, lba) => {
  expect(senseOf(new Fixture().send(`8800 ${lba} 00000001`))).toBe(OUT_OF_RANGE);
});

test('READ(6) and WRITE(6) take length 0 for 256 blocks', () => {
  const fixture = new Fixture();
  expect(fixture.send('08 000001 00').dataIn).toHaveLength(256 * 512);
  expect(senseOf(fixture.send('0a 000001 00', makeBlocks(256)))).toBe('good');
  expect(fixture.bytes.subarray(512, 257 * 512).equals(makeBlocks(256))).toBe(true);
});

describe.each(WRITES)('write command %#', (opcode) => {
  test('writes the blocks that it names, from the very buffer that came', () => {
    const fixture = new Fixture();
    const data = makeBlocks(2);
    const outcome = fixture.send(makeCdb(opcode, { lba: 9, blocks: 2 }), data);
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 1024]);
    expect(fixture.bytes.subarray(9 * 512, 11 * 512).equals(data)).toBe(true);
    const [operation] = fixture.operations;
    expect(operation?.kind === 'write' && operation.data === data && !operation.fua).toBe(true);
  });

  test.each([
    ['no data', 0, 2, 0],
    ['part of a block', 200, 2, 0],
    ['fewer blocks', 700, 2, 1],
    ['more blocks', 10000, 2, 2],
  ])(
    'writes only the whole blocks that came and that it names: %s',
    (_name, sent, blocks, done) => {
      const fixture = new Fixture();
      const outcome = fixture.send(makeCdb(opcode, { blocks }), Buffer.alloc(sent, 0xbb));
      expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', blocks * 512]);
      expect(fixture.bytes.indexOf(0)).toBe(done * 512);
    },
  );

  test('is refused past the last block', () => {
    const outcome = new Fixture().send(
      makeCdb(opcode, { lba: BLOCK_COUNT - 1, blocks: 2 }),
      makeBlocks(2),
    );
    expect(senseOf(outcome)).toBe(OUT_OF_RANGE);
  });
});

test.each(WRITES.slice(1))('write command %# passes on FUA and refuses WRPROTECT', (opcode) => {
  const fixture = new Fixture();
  fixture.send(makeCdb(opcode, { flags: 0x08 }), makeBlocks(1));
  expect(fixture.operations).toMatchObject([{ kind: 'write', fua: true }]);
  expect(senseOf(fixture.send(makeCdb(opcode, { flags: 0x40 }), makeBlocks(1)))).toBe(INVALID_CDB);
});

describe.each(VERIFIES)('verify command %#', (opcode) => {
  const stored = () => {
    const fixture = new Fixture();
    makeBlocks(4).copy(fixture.bytes, 512);
    return fixture;
  };

  test('reads without data when BYTCHK is 0', () => {
    const fixture = stored();
    const outcome = fixture.send(makeCdb(opcode, { lba: 1, blocks: 4 }), Buffer.alloc(2048, 1));
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 0]);
    expect(fixture.operations).toEqual([{ kind: 'read', offset: 512, length: 2048 }]);
  });

  test('tells the first difference when BYTCHK is 1', () => {
    const fixture = stored();
    const data = makeBlocks(4);
    const cdb = makeCdb(opcode, { lba: 1, blocks: 4, flags: 0x02 });
    const good = fixture.send(cdb, data);
    expect([senseOf(good), good.transferBytes]).toEqual(['good', 2048]);
    data[1777] = (data[1777] ?? 0) ^ 1;
    const outcome = fixture.send(cdb, data);
    expect(senseOf(outcome)).toBe('0e/1d/00');
    expect(outcome.sense?.[0]).toBe(0xf0);
    expect(outcome.sense?.readUInt32BE(3)).toBe(1777);
  });

  test('compares each block with the same one when BYTCHK is 3', () => {
    const fixture = new Fixture();
    const block = makeBlocks(1);
    Buffer.alloc(1536, block).copy(fixture.bytes);
    const outcome = fixture.send(makeCdb(opcode, { blocks: 3, flags: 0x06 }), block);
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 512]);
    expect(senseOf(fixture.send(makeCdb(opcode, { blocks: 4, flags: 0x06 }), block))).toBe(
      '0e/1d/00',
    );
  });

  test.each([0x04, 0x20])('refuses flags %#', (flags) => {
    expect(senseOf(stored().send(makeCdb(opcode, { flags })))).toBe(INVALID_CDB);
  });

  test('is refused past the last block', () => {
    const past = makeCdb(opcode, { lba: BLOCK_COUNT, blocks: 1 });
    expect(senseOf(stored().send(past))).toBe(OUT_OF_RANGE);
  });
});

describe.each(WRITE_AND_VERIFIES)('write and verify command %#', (opcode) => {
  test.each([0x00, 0x02])('writes to stable storage, then reads: flags %#', (flags) => {
    const fixture = new Fixture();
    const outcome = fixture.send(makeCdb(opcode, { flags, blocks: 2 }), makeBlocks(2));
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 1024]);
    expect(fixture.operations).toMatchObject([{ kind: 'write', fua: true }, { kind: 'read' }]);
    expect(fixture.bytes.subarray(0, 1024).equals(makeBlocks(2))).toBe(true);
  });

  test('succeeds with nothing to do when no data came', () => {
    const fixture = new Fixture();
    const outcome = fixture.send(makeCdb(opcode, {}));
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 512]);
    expect(fixture.operations).toEqual([]);
  });

  test.each([0x04, 0x06, 0x20])('refuses flags %#', (flags) => {
    expect(senseOf(new Fixture().send(makeCdb(opcode, { flags }), makeBlocks(1)))).toBe(
      INVALID_CDB,
    );
  });
});

describe('COMPARE AND WRITE', () => {
  const cdb = (blocks: number, lba = 0) => `8900 ${hex(lba, 16)} 000000${hex(blocks, 2)} 0000`;

  test('writes the second half when the first is what is there', () => {
    const fixture = new Fixture();
    makeBlocks(2, 1).copy(fixture.bytes);
    const dataOut = Buffer.concat([makeBlocks(2, 1), makeBlocks(2, 99)]);
    const outcome = fixture.send(cdb(2), dataOut);
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 2048]);
    expect(fixture.bytes.subarray(0, 1024).equals(makeBlocks(2, 99))).toBe(true);
  });

  test('writes nothing and tells where, when it is not', () => {
    const fixture = new Fixture();
    const outcome = fixture.send(cdb(1), Buffer.alloc(1024).fill(1, 500));
    expect(senseOf(outcome)).toBe('0e/1d/00');
    expect(outcome.sense?.readUInt32BE(3)).toBe(500);
    expect(fixture.operations.map(({ kind }) => kind)).toEqual(['read']);
  });

  test.each([0, 1023, 1536, 2048])('is refused with %i bytes instead of 1024', (bytes) => {
    expect(senseOf(new Fixture().send(cdb(1), Buffer.alloc(bytes)))).toBe(INVALID_CDB);
  });

  test('of 256 blocks, which the CDB tells as 0, is not taken for nothing', () => {
    const outcome = new Fixture().send(cdb(256 & 0xff), Buffer.alloc(2 * 256 * 512));
    expect(senseOf(outcome)).toBe(INVALID_CDB);
  });

  test('does nothing for 0 blocks, and checks its range', () => {
    expect(senseOf(new Fixture().send(cdb(0)))).toBe('good');
    expect(senseOf(new Fixture().send(cdb(1, BLOCK_COUNT)))).toBe(OUT_OF_RANGE);
  });
});

describe('WRITE ATOMIC(16)', () => {
  const cdb = (lba: number, blocks: number, { flags = 0, boundary = 0 } = {}) =>
    `9c${hex(flags, 2)} ${hex(lba, 16)} ${hex(boundary, 4)} ${hex(blocks, 4)} 0000`;

  test('writes one physical block with one write', () => {
    const fixture = new Fixture();
    const outcome = fixture.send(cdb(16, 8, { flags: 0x18 }), makeBlocks(8));
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 4096]);
    expect(fixture.operations).toEqual([
      { kind: 'write', offset: 8192, data: makeBlocks(8), fua: true },
    ]);
  });

  test.each([16, 248, 256])('writes %i blocks with one write that is atomic', (blocks) => {
    const fixture = new Fixture();
    const outcome = fixture.send(cdb(24, blocks), makeBlocks(blocks));
    expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', blocks * 512]);
    expect(fixture.operations).toEqual([
      { kind: 'write', offset: 12288, data: makeBlocks(blocks), fua: false, isAtomic: true },
    ]);
  });

  test.each([
    ['more than 256 blocks', 16, 264, 12],
    ['a part of a physical block', 16, 4, 12],
    ['some and a part of one', 16, 20, 12],
    ['a part of two', 12, 8, 2],
  ])('refuses %s, and points at it', (_name, lba, blocks, byteIndex) => {
    const fixture = new Fixture();
    const outcome = fixture.send(cdb(lba, blocks), makeBlocks(blocks));
    expect([senseOf(outcome), outcome.sense?.readUInt16BE(16)]).toEqual([INVALID_CDB, byteIndex]);
    expect(fixture.operations).toEqual([]);
  });

  test('refuses a boundary, protection information, and data that is cut', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(cdb(0, 8, { boundary: 8 }), makeBlocks(8)))).toBe(INVALID_CDB);
    expect(senseOf(fixture.send(cdb(0, 8, { flags: 0x20 }), makeBlocks(8)))).toBe(INVALID_CDB);
    expect(senseOf(fixture.send(cdb(0, 8), makeBlocks(7)))).toBe(INVALID_CDB);
    expect(fixture.operations).toEqual([]);
  });

  test('does nothing for 0 blocks, and checks its range first', () => {
    expect(senseOf(new Fixture().send(cdb(0, 0)))).toBe('good');
    expect(senseOf(new Fixture().send(cdb(BLOCK_COUNT, 8), makeBlocks(8)))).toBe(OUT_OF_RANGE);
    expect(senseOf(new Fixture().send('9c00 8000000000000000 0000 0000'))).toBe(OUT_OF_RANGE);
  });
});

test('ORWRITE(16) joins the bits that came with those that are there', () => {
  const fixture = new Fixture();
  fixture.bytes.fill(0x0f, 512, 1024);
  const outcome = fixture.send(makeCdb(0x8b, { lba: 1 }), Buffer.alloc(512, 0xa1));
  expect([senseOf(outcome), outcome.transferBytes]).toEqual(['good', 512]);
  expect(fixture.bytes.subarray(512, 1024).equals(Buffer.alloc(512, 0xaf))).toBe(true);
  expect(senseOf(fixture.send(makeCdb(0x8b, { flags: 0x20 })))).toBe(INVALID_CDB);
});

describe.each([
  ['SYNCHRONIZE CACHE', [0x35, 0x91], ['flush']],
  ['PRE-FETCH', [0x34, 0x90], []],
])('%s', (_name, opcodes, operations) => {
  test.each(opcodes)('opcode %i takes any range within the volume', (opcode) => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(makeCdb(opcode, { flags: 2, lba: 8, blocks: 0 })))).toBe('good');
    expect(fixture.operations.map(({ kind }) => kind)).toEqual(operations);
    const past = makeCdb(opcode, { lba: BLOCK_COUNT, blocks: 1 });
    expect(senseOf(fixture.send(past))).toBe(OUT_OF_RANGE);
  });
});

test.each([
  ['NOT_READY', '02/04/00'],
  ['NO_SPACE', '07/27/07'],
  ['IO_FAILED', '04/44/00'],
] as const)('a volume failure %s becomes sense %s at every step of a plan', (failure, sense) => {
  const fixture = new Fixture();
  fixture.failure = failure;
  expect(senseOf(fixture.send(makeCdb(0x28, {})))).toBe(sense);
  expect(senseOf(fixture.send(makeCdb(0x2a, {}), makeBlocks(1)))).toBe(sense);
  expect(senseOf(fixture.send(makeCdb(0x35, {})))).toBe(sense);
  expect(senseOf(fixture.send(makeCdb(0x2e, {}), makeBlocks(1)))).toBe(sense);
  expect(senseOf(fixture.send(makeCdb(0x41, {}), makeBlocks(1)))).toBe(sense);
});
