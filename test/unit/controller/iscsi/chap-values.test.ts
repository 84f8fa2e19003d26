import { decodeBinary, encodeBinary } from '../../../../controller/iscsi/chap-values.ts';

test.each([
  ['0x00', [0]],
  ['0X0aFf', [0x0a, 0xff]],
  ['0bAQID', [1, 2, 3]],
  ['0BAQI=', [1, 2]],
  ['0bAQ==', [1]],
  ['0b+/8=', [0xfb, 0xff]],
])('a binary value is read from %s (RFC 7143 section 6.1)', (value, bytes) => {
  expect(decodeBinary(value)).toEqual(Buffer.from(bytes));
});

test.each([
  ['nothing', ''],
  ['no digits', '0x'],
  ['no base64', '0b'],
  ['an odd number of digits', '0x123'],
  ['a character that is no digit', '0x0g'],
  ['digits without their prefix', '0102'],
  ['another prefix', '0d12'],
  ['base64 without its padding', '0bAQ'],
  ['too much padding', '0bA==='],
  ['the other base64 alphabet', '0b-_8='],
  ['padding alone', '0b===='],
  ['a blank in front', ' 0x00'],
  ['a line behind', '0x00\n'],
  ['1025 bytes as digits', `0x${'00'.repeat(1025)}`],
  ['1025 bytes in base64', `0b${Buffer.alloc(1025).toString('base64')}`],
])('a binary value is not read from %s', (_, value) => {
  expect(decodeBinary(value)).toBeUndefined();
});

test('a binary value may have 1024 bytes (RFC 7143 section 12.1.3)', () => {
  const bytes = Buffer.alloc(1024, 7);
  expect(decodeBinary(encodeBinary(bytes))).toEqual(bytes);
  expect(decodeBinary(`0b${bytes.toString('base64')}`)).toEqual(bytes);
});
