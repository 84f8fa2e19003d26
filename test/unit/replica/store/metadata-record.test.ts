import { crc32c } from '../../../../replica/common/crc32c.ts';
import {
  chooseRecord,
  encodeSlot,
  FORMAT_VERSION,
  METADATA_FILE_BYTES,
  type Metadata,
  SLOT_BYTES,
  slotOffsetOf,
} from '../../../../replica/store/metadata-record.ts';

const METADATA: Metadata = {
  ...{ volumeId: 'v1', replicaId: 'r1', dataId: 'd1', sizeBytes: 8192, epoch: 3 },
  ...{ instanceId: 'i1', session: 5, bootId: 'boot', mayLackWrites: true },
  ...{ leaseHolders: ['i0', 'i1'], isPristine: true, attribute: 'a2V5', journalKept: 4 },
};
const NEWER: Metadata = { ...METADATA, session: 6 };

function fileOf(records: { metadata: Metadata; sequence: number }[]): Buffer {
  const file = Buffer.alloc(METADATA_FILE_BYTES);
  for (const record of records) encodeSlot(record).copy(file, slotOffsetOf(record.sequence));
  return file;
}

const FILE = fileOf([
  { metadata: METADATA, sequence: 8 },
  { metadata: NEWER, sequence: 9 },
]);

test('metadata, is the newest record, when both slots are whole', () => {
  expect(chooseRecord(FILE)).toEqual({ metadata: NEWER, sequence: 9 });
  const turned = fileOf([
    { metadata: NEWER, sequence: 10 },
    { metadata: METADATA, sequence: 9 },
  ]);
  expect(chooseRecord(turned)).toEqual({ metadata: NEWER, sequence: 10 });
});

test('metadata, falls back to the other slot, whichever byte is flipped', () => {
  const usedBytes = 32 + JSON.stringify(NEWER).length;
  for (let at = 0; at < usedBytes; at += 1) {
    const file = Buffer.from(FILE);
    const position = SLOT_BYTES + at;
    file[position] = file[position]! ^ 0x10;
    expect({ at, ...chooseRecord(file) }).toEqual({ at, sequence: 8, metadata: METADATA });
  }
});

test('metadata, survives a write of the next record that was cut anywhere', () => {
  const next = encodeSlot({ metadata: { ...NEWER, session: 7 }, sequence: 10 });
  for (let cut = 0; cut <= SLOT_BYTES; cut += 7) {
    const file = Buffer.from(FILE);
    next.copy(file, slotOffsetOf(10), 0, cut);
    expect([6, 7]).toContain(chooseRecord(file).metadata.session);
  }
});

test('metadata, is corrupt and says what was found, when both slots are damaged or the file is cut', () => {
  const flipped = Buffer.from(FILE);
  flipped[0] = 0;
  flipped[SLOT_BYTES + 40] = 0;
  expect(() => chooseRecord(flipped)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  expect(() => chooseRecord(flipped)).toThrow('slot 0: bad magic; slot 1: checksum does not hold');
  for (const length of [0, 100, SLOT_BYTES - 1]) {
    expect(() => chooseRecord(FILE.subarray(0, length))).toThrow('damaged');
  }
  expect(chooseRecord(FILE.subarray(0, SLOT_BYTES)).sequence).toBe(8);
});

test('metadata, is refused rather than rolled back, when another version wrote it', () => {
  const file = Buffer.from(FILE);
  const slot = file.subarray(SLOT_BYTES);
  slot.writeUInt32LE(FORMAT_VERSION + 1, 8);
  const json = slot.subarray(32, 32 + slot.readUInt32LE(12));
  slot.writeUInt32LE(crc32c(json, crc32c(slot.subarray(0, 28))), 28);
  expect(() => chooseRecord(file)).toThrow(`format version ${FORMAT_VERSION + 1}`);
});
