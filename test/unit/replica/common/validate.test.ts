import {
  parseJson,
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readOneOf,
  readString,
  readStringOrNull,
} from '../../../../replica/common/validate.ts';

const ANY = { min: 0, max: 10 };

test('readers, give the value, when it is within its limits', () => {
  expect(readString({ a: 'x' }, 'a')).toBe('x');
  expect(readStringOrNull({ a: null }, 'a')).toBeNull();
  expect(readInteger({ a: 10 }, 'a', ANY)).toBe(10);
  expect(readBoolean({ a: false }, 'a')).toBe(false);
  expect(readOneOf({ a: 'on' }, 'a', ['on', 'off'])).toBe('on');
  expect(readArray({ a: [1] }, 'a', 1)).toEqual([1]);
  expect(parseJson('{"a":1}', 'it')).toEqual({ a: 1 });
});

test.each<[string, () => unknown, string]>([
  ['an array for an object', () => readObject([], 'it'), 'it: expected an object, got []'],
  [
    'nothing',
    () => readString({}, 'a'),
    'a: expected a string of 1 to 1024 characters, got nothing',
  ],
  ['too long', () => readString({ a: 'xx' }, 'a', 1), 'got "xx"'],
  ['a fraction', () => readInteger({ a: 0.5 }, 'a', ANY), 'a whole number from 0 to 10'],
  ['above', () => readInteger({ a: 11 }, 'a', ANY), 'got 11'],
  ['below', () => readInteger({ a: -1 }, 'a', ANY), 'got -1'],
  ['a number for a fact', () => readBoolean({ a: 1 }, 'a'), 'expected true or false'],
  ['another choice', () => readOneOf({ a: 'x' }, 'a', ['on']), 'expected one of on'],
  ['too many', () => readArray({ a: [1, 2] }, 'a', 1), 'a list of at most 1 entries'],
  ['no JSON', () => parseJson('{', 'it'), 'it: expected JSON'],
])('readers, name field, expectation and finding, for %s', (_case, read, message) => {
  expect(read).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  expect(read).toThrow(message);
});
