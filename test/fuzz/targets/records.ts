import { crc32c } from '../../../replica/common/crc32c.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { EXTENT_BYTES } from '../../../replica/common/limits.ts';
import { FLAG, OPCODE } from '../../../replica/protocol/constants.ts';
import type { Frame } from '../../../replica/protocol/frame.ts';
import { MAX_TAIL_RANGES } from '../../../replica/protocol/hello.ts';
import { HotExtents, hotFileBytes } from '../../../replica/store/hot-extents.ts';
import { makeMark, RECORDS_OFFSET, readJournal } from '../../../replica/store/journal-content.ts';
import {
  chooseRecord,
  encodeSlot,
  METADATA_FILE_BYTES,
  SLOT_BYTES,
} from '../../../replica/store/metadata-record.ts';
import { encodeRecord, recordBytes } from '../../../replica/store/redo-record.ts';
import {
  REGION_PAGE_BYTES,
  RegionMap,
  regionFileBytes,
} from '../../../replica/store/region-map.ts';
import { SeededRandom } from '../../support/random.ts';
import { counted, InputReader } from '../input.ts';
import { anyMetadata, mutateJson } from '../json.ts';
import { mutate } from '../mutate.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

const RECORD_HEADER_BYTES = 32;
const CODES: readonly string[] = ['CORRUPT', 'FAILED_PRECONDITION'];

/** Input: the beginning of slot 0, behind its length, and then that of slot 1. */
export const metadataRecord: FuzzTarget = {
  name: 'metadata-record',

  generate(random: SeededRandom): Buffer {
    const slots = [random.below(4), random.below(4)].map((sequence) => anySlot(random, sequence));
    return Buffer.concat([counted(slots[0]!.subarray(0, SLOT_BYTES - 1)), slots[1]!]);
  },

  check(input: Buffer): void {
    const reader = new InputReader(input);
    const file = Buffer.alloc(METADATA_FILE_BYTES);
    reader.counted().copy(file, 0, 0, SLOT_BYTES);
    reader.rest().copy(file, SLOT_BYTES, 0);
    const record = choose(file);
    if (record === undefined) return;
    const again = Buffer.alloc(METADATA_FILE_BYTES);
    encodeSlot(record).copy(again);
    expectThat(
      JSON.stringify(choose(again)) === JSON.stringify(record),
      'a record that is written and read is another',
      record,
    );
  },
};

function choose(file: Buffer): ReturnType<typeof chooseRecord> | undefined {
  try {
    return chooseRecord(file);
  } catch (error) {
    if (error instanceof KeelsonError && CODES.includes(error.code)) return undefined;
    throw error;
  }
}

/** Damaged within the JSON with the checksum right, or anywhere with the checksum wrong. */
function anySlot(random: SeededRandom, sequence: number): Buffer {
  const slot = encodeSlot({ metadata: anyMetadata(random), sequence });
  if (random.chance(0.3)) return mutate(slot, random);
  const bytes = slot.readUInt32LE(12);
  const json = slot.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + bytes);
  const other = random.chance(0.3) ? json : mutateJson(json, random);
  const header = Buffer.from(slot.subarray(0, RECORD_HEADER_BYTES));
  header.writeUInt32LE(other.length, 12);
  header.writeUInt32LE(crc32c(other, crc32c(header.subarray(0, 28))), 28);
  return Buffer.concat([header, other]);
}

const VOLUME_BYTES = 33 * EXTENT_BYTES + 12_288;

/** Input: a file `regions`; what is missing of it is holes. */
export const regionMap: FuzzTarget = {
  name: 'region-map',

  generate(random: SeededRandom): Buffer {
    const map = new RegionMap(VOLUME_BYTES);
    for (let count = random.below(6); count > 0; count -= 1) {
      const start = random.below(VOLUME_BYTES - 1);
      map.raise(start, start + 1 + random.below(VOLUME_BYTES - start), 1 + random.below(9));
    }
    const file = Buffer.alloc(regionFileBytes(VOLUME_BYTES));
    for (const { offset, bytes } of map.takeDirtyPages()) bytes.copy(file, offset);
    return mutate(file, random);
  },

  check(input: Buffer): void {
    const file = Buffer.alloc(regionFileBytes(VOLUME_BYTES));
    input.copy(file);
    const map = new RegionMap(VOLUME_BYTES);
    const damagedCount = map.load(0, file);
    expectThat(damagedCount <= file.length / REGION_PAGE_BYTES, 'more damage than pages');
    const stamps = map.stampsOf(0, VOLUME_BYTES);
    for (const { offset, bytes } of map.takeDirtyPages()) bytes.copy(file, offset);
    const again = new RegionMap(VOLUME_BYTES);
    expectThat(again.load(0, file) === 0, 'a damaged page is not written anew');
    expectThat(
      again.stampsOf(0, VOLUME_BYTES).join() === stamps.join(),
      'stamps that are written and read are others',
    );
  },
};

const HOT_VOLUME_BYTES = 5000 * EXTENT_BYTES + 4096;

/** Input: a file `hot`; what is missing of it is zeros. */
export const hotExtents: FuzzTarget = {
  name: 'hot-extents',

  generate(random: SeededRandom): Buffer {
    const hot = new HotExtents(HOT_VOLUME_BYTES);
    for (let count = random.below(200); count > 0; count -= 1) hot.set(random.below(5001));
    const file = Buffer.alloc(hotFileBytes(HOT_VOLUME_BYTES));
    for (const { offset, bytes } of hot.takeDirtySectors()) bytes.copy(file, offset);
    return mutate(file, random);
  },

  check(input: Buffer): void {
    const file = Buffer.alloc(hotFileBytes(HOT_VOLUME_BYTES));
    input.copy(file);
    const hot = new HotExtents(HOT_VOLUME_BYTES);
    hot.load(file);
    expectThat(hot.count === hot.extents().length, 'the count is another than what is counted');
    const ranges = hot.ranges();
    expectThat(ranges.length <= MAX_TAIL_RANGES, 'more ranges than a welcome carries');
    const end = ranges.at(-1)?.end ?? 0;
    expectThat(end <= HOT_VOLUME_BYTES, 'a range beyond the volume', end);
    for (const { offset, bytes } of hot.takeDirtySectors()) bytes.copy(file, offset);
    const again = new HotExtents(HOT_VOLUME_BYTES);
    expectThat(again.load(file) === 0, 'a damaged sector is not written anew');
    expectThat(
      again.extents().join() === hot.extents().join(),
      'bits that are written and read are others',
    );
  },
};

const JOURNAL_METADATA = anyMetadata(new SeededRandom(1));
const JOURNAL_SESSION = JOURNAL_METADATA.session;

/** Input: a file `journal`. */
export const journal: FuzzTarget = {
  name: 'journal',

  generate(random: SeededRandom): Buffer {
    const file = Buffer.alloc(RECORDS_OFFSET + 64 * 1024);
    let offset = RECORDS_OFFSET;
    for (let number = 1; number <= random.below(4); number += 1) {
      const session = random.chance(0.8) ? JOURNAL_SESSION : random.below(1000);
      const changes = Array.from({ length: 1 + random.below(3) }, () => anyChange(random));
      const pages = encodeRecord({ number, session, changes }, JOURNAL_METADATA.dataId, offset);
      for (const page of pages) page.bytes.copy(file, page.offset);
      offset += recordBytes(changes);
    }
    for (const mark of ['carriedOut', 'durable'] as const) {
      const page = makeMark(mark, random.below(4));
      if (random.chance(0.5)) page.bytes.copy(file, page.offset);
    }
    return mutate(file.subarray(0, offset + 512), random);
  },

  check(input: Buffer): void {
    for (const bootId of ['boot', 'another boot']) {
      const metadata = { ...JOURNAL_METADATA, bootId: 'boot', mayLackWrites: false };
      const { redo, records, lastNumber, end } = readJournal(input, metadata, bootId);
      for (const { offset, length } of redo) {
        const isWithin = length > 0 && offset + length <= metadata.sizeBytes;
        expectThat(isWithin, 'a change outside of the copy', { offset, length });
      }
      expectThat(
        records.every(({ number }) => number <= lastNumber),
        'a number is given twice',
      );
      expectThat(end === RECORDS_OFFSET || end <= input.length + 4096, 'records beyond the file');
    }
  },
};

function anyChange(random: SeededRandom): Frame {
  const opcode = random.chance(0.8) ? OPCODE.WRITE : OPCODE.TRIM;
  const isPacked = random.chance(0.5);
  const length = 512 * (1 + random.below(6));
  const bytes = opcode === OPCODE.TRIM ? 0 : isPacked ? random.below(length) : length;
  return {
    ...{ opcode, flags: isPacked ? FLAG.LZ4 : 0, status: 0, seq: 1, stableSeq: 0, generation: 1 },
    ...{ offset: 512 * random.below(80), length, payload: random.bytes(bytes) },
  };
}
