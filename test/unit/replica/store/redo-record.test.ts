import { crc32c } from '../../../../replica/common/crc32c.ts';
import { FLAG, OPCODE } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import {
  decodeRecord,
  encodeRecord,
  type FoundRecord,
  MAX_RECORD_BODY_BYTES,
  RECORD_ALIGNMENT,
  recordBytes,
} from '../../../../replica/store/redo-record.ts';
import { frameOf } from '../support/core-harness.ts';

const COPY = { dataId: '0f9a3c1e-5b7d-4e21-9c44-8a6e2d1b7f30', sizeBytes: 1024 * 1024 };
const SECTOR = 512;
const BODY_BYTES_OFFSET = 12;

const CHANGES: readonly Frame[] = [
  frameOf(OPCODE.WRITE, { offset: 8192, payload: Buffer.alloc(4096, 7), flags: FLAG.ATOMIC }),
  frameOf(OPCODE.WRITE, {
    ...{ offset: 65536, length: 131072, payload: Buffer.alloc(700, 9) },
    flags: FLAG.ATOMIC | FLAG.LZ4,
  }),
  frameOf(OPCODE.TRIM, { offset: 0, length: 4096, flags: FLAG.STAGED }),
];
const RECORD = { number: 12, session: 5 * 2 ** 20, changes: CHANGES };

function fileOf(record = RECORD, at = 0, dataId = COPY.dataId): Buffer {
  const file = Buffer.alloc(at + recordBytes(record.changes));
  for (const { offset, bytes } of encodeRecord(record, dataId, at)) bytes.copy(file, offset);
  return file;
}

/** The CRC made right again, as a program would that writes such a record. */
function sealed(file: Buffer): Buffer {
  const bodyBytes = file.readUInt32LE(BODY_BYTES_OFFSET);
  const crc = crc32c(file.subarray(SECTOR, SECTOR + bodyBytes), crc32c(file.subarray(0, 68)));
  file.writeUInt32LE(crc, 68);
  return file;
}

const comparable = (found: FoundRecord | undefined) =>
  found && { ...found, changes: found.changes.map((change) => ({ ...change })) };

test('redo record, is read back as it was written, at any place of the file', () => {
  for (const at of [0, 4096, 9 * RECORD_ALIGNMENT]) {
    const file = fileOf(RECORD, at);
    expect(file.length % RECORD_ALIGNMENT).toBe(0);
    const found = decodeRecord(file, at, COPY);
    expect(comparable(found)).toEqual({ ...RECORD, bytes: recordBytes(CHANGES) });
  }
});

test('redo record, is none, when any byte of it is another', () => {
  const used = SECTOR + fileOf().readUInt32LE(BODY_BYTES_OFFSET);
  for (let at = 0; at < used; at += 1) {
    if (at >= 72 && at < SECTOR) continue; // reserved
    const file = fileOf();
    file[at] = file[at]! ^ 0x20;
    expect({ at, found: decodeRecord(file, 0, COPY) }).toEqual({ at, found: undefined });
  }
});

test('redo record, is none, when a power loss kept only some sectors of it', () => {
  const whole = fileOf();
  const older = fileOf({ ...RECORD, number: 11 });
  const sectorCount = Math.ceil((SECTOR + whole.readUInt32LE(BODY_BYTES_OFFSET)) / SECTOR);
  const numbers = Array.from({ length: sectorCount }, (_, sector) => {
    const file = Buffer.from(whole);
    older.copy(file, sector * SECTOR, sector * SECTOR, (sector + 1) * SECTOR);
    return decodeRecord(file, 0, COPY)?.number;
  });
  // The bodies are the same: the first sector alone says which of the two it is.
  expect(numbers).toEqual([11, ...new Array(sectorCount - 1).fill(12)]);
  for (let sector = 0; sector < sectorCount; sector += 1) {
    const file = Buffer.from(whole);
    file.fill(0, sector * SECTOR, (sector + 1) * SECTOR);
    const isSame = file.equals(whole);
    expect({ sector, found: decodeRecord(file, 0, COPY)?.number }).toEqual({
      ...{ sector, found: isSame ? 12 : undefined },
    });
  }
});

test('redo record, is none, when it is cut, longer than the file or longer than any', () => {
  const whole = fileOf();
  for (const length of [0, 1, 71, SECTOR - 1, SECTOR, SECTOR + 100]) {
    expect(decodeRecord(whole.subarray(0, length), 0, COPY)).toBeUndefined();
  }
  for (const bodyBytes of [0xffffffff, MAX_RECORD_BODY_BYTES + 1, whole.length]) {
    const file = Buffer.from(whole);
    file.writeUInt32LE(bodyBytes, BODY_BYTES_OFFSET);
    expect(decodeRecord(sealed(file), 0, COPY)).toBeUndefined();
  }
});

test('redo record, is none, when it is that of another copy or of another version', () => {
  expect(decodeRecord(fileOf(RECORD, 0, 'another copy'), 0, COPY)).toBeUndefined();
  expect(decodeRecord(fileOf(), 0, { ...COPY, dataId: COPY.dataId.slice(1) })).toBeUndefined();
  const file = fileOf();
  file.writeUInt32LE(2, 8);
  expect(decodeRecord(sealed(file), 0, COPY)).toBeUndefined();
});

test.each<[string, Partial<Frame>]>([
  ['a read', { opcode: OPCODE.READ }],
  ['a write of nothing', { length: 0, payload: Buffer.alloc(0) }],
  ['a write past the end', { offset: COPY.sizeBytes }],
  ['a write of more than it carries', { length: 8192, payload: Buffer.alloc(4096) }],
  ['a trim past the end', { opcode: OPCODE.TRIM, length: 2 ** 31, payload: Buffer.alloc(0) }],
])('redo record, is none, when there is %s in it', (_what, change) => {
  const file = fileOf({ ...RECORD, changes: [CHANGES[0]!, frameOf(OPCODE.WRITE, change)] });
  expect(decodeRecord(file, 0, COPY)).toBeUndefined();
});

test('redo record, is none, when its body is no frames, though the checksum holds', () => {
  const file = fileOf();
  file.writeUInt32LE(file.readUInt32LE(BODY_BYTES_OFFSET) - 1, BODY_BYTES_OFFSET);
  expect(decodeRecord(sealed(file), 0, COPY)).toBeUndefined();
});
