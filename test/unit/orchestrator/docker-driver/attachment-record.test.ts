import {
  type AttachmentRecord,
  decodeRecord,
  encodeRecord,
} from '../../../../orchestrator/docker-driver/core/attachment-record.ts';

const RECORD: AttachmentRecord = {
  volume: { namespace: 'default', name: 'db' },
  volumeId: 'fcad4a4e5bd372b462e16d3484d93b5e',
  targetName: 'iqn.2026-11.io.keelson:default.db',
  portal: '127.0.1.1:3260',
  isFormatting: true,
  references: [
    { id: 'a', count: 2, unanswered: null },
    { id: 'b', count: 1, unanswered: 'mount' },
  ],
};
const encoded = () => JSON.parse(encodeRecord(RECORD, 'boot-1'));

test('a record is read as it was written', () => {
  expect(decodeRecord(encoded(), 'boot-1')).toEqual(RECORD);
});

test('after the machine started anew nobody uses anything, and no file system is being made', () => {
  const after = { ...RECORD, references: [], isFormatting: false };
  expect(decodeRecord(encoded(), 'boot-2')).toEqual(after);
});

test.each([
  ['version', 2],
  ['bootId', 7],
  ['volume', null],
  ['volume', { namespace: 'default' }],
  ['volumeId', ''],
  ['targetName', undefined],
  ['portal', 3260],
  ['isFormatting', 'no'],
  ['references', {}],
  ['references', [null]],
  ['references', [{ id: 'a', count: 0, unanswered: null }]],
  ['references', [{ id: 'a', count: 1.5, unanswered: null }]],
  ['references', [{ id: 'a', count: 1, unanswered: 'list' }]],
  ['references', [{ id: '', count: 1, unanswered: null }]],
])('a record whose %s is %j is refused', (field, value) => {
  expect(() => decodeRecord({ ...encoded(), [field]: value }, 'boot-1')).toThrow(/expected/);
});
