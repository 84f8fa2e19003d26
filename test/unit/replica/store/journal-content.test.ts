import { OPCODE } from '../../../../replica/protocol/constants.ts';
import {
  JOURNAL_BYTES,
  makeMark,
  RECORDS_OFFSET,
  readJournal,
} from '../../../../replica/store/journal-content.ts';
import { encodeRecord, recordBytes } from '../../../../replica/store/redo-record.ts';
import { frameOf, METADATA } from '../support/core-harness.ts';

const BLOCK = 4096;
const { session } = METADATA;

const changeOf = (number: number) => frameOf(OPCODE.WRITE, { offset: number * BLOCK });
const STEP = recordBytes([changeOf(1)]);

interface Written {
  readonly number: number;
  readonly session?: number;
  readonly dataId?: string;
}

/** A journal with these records one behind the other, and these marks. */
function fileOf(
  records: readonly Written[],
  marks: { carriedOut?: number; durable?: number } = {},
) {
  const file = Buffer.alloc(JOURNAL_BYTES);
  records.forEach(({ number, session: of = session, dataId = METADATA.dataId }, index) => {
    const record = { number, session: of, changes: [changeOf(number)] };
    const at = RECORDS_OFFSET + index * STEP;
    for (const { offset, bytes } of encodeRecord(record, dataId, at)) bytes.copy(file, offset);
  });
  for (const [mark, number] of Object.entries(marks)) {
    const { offset, bytes } = makeMark(mark as keyof typeof marks, number);
    bytes.copy(file, offset);
  }
  return file;
}

const three = [{ number: 5 }, { number: 6 }, { number: 7 }];

/** Numbers of what is carried out again, and of what would be after a power loss. */
function read(file: Buffer, metadata: Partial<typeof METADATA> = {}, bootId = 'boot') {
  const content = readJournal(file, { ...METADATA, ...metadata }, bootId);
  const { redo, records, lastNumber, end } = content;
  return {
    redo: redo.map(({ offset }) => offset / BLOCK),
    kept: records.map(({ number }) => number),
    newer: records.filter(({ isOverlapped }) => isOverlapped).map(({ number }) => number),
    ...{ lastNumber, end: (end - RECORDS_OFFSET) / STEP },
  };
}

test('journal, has nothing to say, when it is new, empty or cut', () => {
  const nothing = { redo: [], kept: [], newer: [], lastNumber: 0, end: 0 };
  expect(read(fileOf([]))).toEqual(nothing);
  expect(read(Buffer.alloc(0))).toEqual(nothing);
  expect(read(fileOf(three).subarray(0, RECORDS_OFFSET + 100))).toEqual(nothing);
});

test('journal, has carried out again what a killed process had not noted as carried out', () => {
  expect(read(fileOf(three))).toMatchObject({ redo: [5, 6, 7], newer: [], lastNumber: 7, end: 3 });
  const noted = read(fileOf(three, { carriedOut: 6 }));
  // What came behind those that it had carried out, nobody knows any more.
  expect(noted).toMatchObject({ redo: [7], kept: [5, 6, 7], newer: [5, 6] });
  expect(read(fileOf(three, { carriedOut: 7 })).redo).toEqual([]);
});

test('journal, has everything carried out again that is not known to be durable, after a power loss', () => {
  const file = fileOf(three, { carriedOut: 7, durable: 5 });
  expect(read(file, {}, 'next boot')).toMatchObject({ redo: [6, 7], kept: [6, 7], newer: [] });
  expect(read(file, { mayLackWrites: true })).toMatchObject({ redo: [6, 7], newer: [] });
  expect(read(file)).toMatchObject({ redo: [], kept: [6, 7], newer: [6, 7] });
});

test('journal, counts a record of an earlier session only if it had been carried out by then', () => {
  const records = [{ number: 5, session: 2 }, { number: 6, session: 3 }, { number: 7 }];
  expect(read(fileOf(records))).toMatchObject({ redo: [], lastNumber: 0, end: 0 });
  expect(read(fileOf(records), { journalKept: 5 })).toMatchObject({ redo: [5], end: 1 });
  expect(read(fileOf(records), { journalKept: 6 })).toMatchObject({ redo: [5, 6, 7], end: 3 });
});

test('journal, ends before what is left of an earlier round, of another copy, or torn', () => {
  const older = [{ number: 9 }, { number: 10 }, { number: 8 }];
  expect(read(fileOf(older))).toMatchObject({ redo: [9, 10], lastNumber: 10, end: 2 });
  const foreign = [{ number: 9 }, { number: 10, dataId: 'another' }];
  expect(read(fileOf(foreign))).toMatchObject({ redo: [9], end: 1 });
  const torn = fileOf(three);
  torn.fill(0xee, RECORDS_OFFSET + STEP + 520, RECORDS_OFFSET + STEP + 600);
  expect(read(torn)).toMatchObject({ redo: [5], lastNumber: 5, end: 1 });
});

test('journal, never gives a number a second time, whatever is left of it', () => {
  expect(read(fileOf([], { carriedOut: 8, durable: 3 })).lastNumber).toBe(8);
  expect(read(fileOf([], { durable: 9 })).lastNumber).toBe(9);
  expect(read(fileOf([]), { journalKept: 11 }).lastNumber).toBe(11);
});

test('journal, with a damaged mark, counts it as 0', () => {
  const file = fileOf(three, { carriedOut: 6, durable: 5 });
  for (const at of [0, 11, 512, 523]) {
    const damaged = Buffer.from(file);
    damaged[at] = damaged[at]! ^ 1;
    const isDurable = at >= 512;
    expect(read(damaged).redo).toEqual(isDurable ? [7] : [6, 7]);
    expect(read(damaged, {}, 'next boot').redo).toEqual(isDurable ? [5, 6, 7] : [6, 7]);
  }
});
