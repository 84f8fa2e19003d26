import {
  FLAG,
  HEADER_BYTES,
  MAX_HELLO_BYTES,
  MAX_PAYLOAD_BYTES,
  OPCODE,
} from '../../../../replica/protocol/constants.ts';
import { checkHeader, decodeFrame, encodeFrame } from '../../../../replica/protocol/frame.ts';

const PAYLOAD = Buffer.from('some bytes');
const FIELDS = {
  opcode: OPCODE.WRITE,
  flags: FLAG.LZ4 | FLAG.FUA,
  status: 3,
  seq: Number.MAX_SAFE_INTEGER,
  stableSeq: 2 ** 33 + 5,
  offset: 2 ** 45,
  length: 4096,
  generation: 0xffff_ffff,
};

test('frame, reads back every field, at its largest values', () => {
  const bytes = encodeFrame(FIELDS, PAYLOAD);
  expect(checkHeader(bytes, 0)).toEqual({ ok: true, payloadBytes: PAYLOAD.length });
  expect(decodeFrame(bytes, 0, PAYLOAD.length)).toEqual({ ...FIELDS, payload: PAYLOAD });
});

/** As computed when the format was settled. */
const CRC = '4147adfd';

test('frame, keeps the bytes of version 2, whatever changes around it', () => {
  const bytes = encodeFrame({
    ...{ opcode: OPCODE.READ, seq: 7, offset: 8192, length: 4096, generation: 9 },
  });
  expect(bytes.toString('hex')).toBe(
    `4b45454c${CRC}` +
      '10000000' +
      '00100000' +
      '0700000000000000' +
      '0000000000000000' +
      '0020000000000000' +
      '0000000009000000',
  );
  expect(bytes).toHaveLength(HEADER_BYTES);
});

test('frame, is refused, when any single byte of it is flipped', () => {
  const good = encodeFrame(FIELDS, PAYLOAD);
  for (let at = 0; at < good.length; at += 1) {
    const bad = Buffer.from(good);
    bad[at] = bad[at]! ^ 0x40;
    const checked = checkHeader(bad, 0);
    if (!checked.ok || checked.payloadBytes !== PAYLOAD.length) continue;
    expect(decodeFrame(bad, 0, PAYLOAD.length)).toBeUndefined();
  }
});

test.each([
  ['bad magic', (bytes: Buffer) => bytes.writeUInt32BE(1, 0)],
  ['unknown opcode 99', (bytes: Buffer) => bytes.writeUInt8(99, 8)],
  ['number above 2^53', (bytes: Buffer) => bytes.writeUInt32LE(2 ** 21, 20)],
  [
    `payload of ${MAX_PAYLOAD_BYTES + 1} bytes, limit ${MAX_PAYLOAD_BYTES}`,
    (bytes: Buffer) => bytes.writeUInt32LE(MAX_PAYLOAD_BYTES + 1, 40),
  ],
])('frame header, is refused before anything is buffered: %s', (reason, damage) => {
  const bytes = encodeFrame(FIELDS, PAYLOAD);
  damage(bytes);
  expect(checkHeader(bytes, 0)).toEqual({ ok: false, reason });
});

test('frame header, allows a hello less than a write, since its sender is unknown', () => {
  const bytes = encodeFrame({ opcode: OPCODE.HELLO });
  bytes.writeUInt32LE(MAX_HELLO_BYTES + 1, 40);
  expect(checkHeader(bytes, 0).ok).toBe(false);
  bytes.writeUInt32LE(MAX_HELLO_BYTES, 40);
  expect(checkHeader(bytes, 0).ok).toBe(true);
});
