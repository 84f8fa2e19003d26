import { KeelsonError } from '../../../../replica/common/errors.ts';
import {
  decodeHello,
  decodeRefusal,
  decodeWelcome,
  encodeJson,
  type Hello,
  MAX_TAIL_RANGES,
  type Welcome,
} from '../../../../replica/protocol/hello.ts';

const HELLO: Hello = {
  ...{ protocolVersion: 1, volumeId: 'v', replicaId: 'r1', dataId: null },
  ...{ epoch: 4, instanceId: 'i', nonce: 'ab' },
};
const WELCOME: Welcome = {
  ...{ protocolVersion: 1, volumeId: 'v', replicaId: 'r1', dataId: 'd', sizeBytes: 8192 },
  ...{ isPristine: false, session: 3, lastSeq: 9, bootId: 'b' },
  tail: { known: true, ranges: [{ start: 0, end: 4096 }] },
};

test('hello, welcome and refusal, read back as they were written', () => {
  expect(decodeHello(encodeJson(HELLO))).toEqual(HELLO);
  expect(decodeHello(encodeJson({ ...HELLO, dataId: 'd' })).dataId).toBe('d');
  expect(decodeWelcome(encodeJson(WELCOME))).toEqual(WELCOME);
  const unknown: Welcome = { ...WELCOME, tail: { known: false } };
  expect(decodeWelcome(encodeJson(unknown))).toEqual(unknown);
  const refusal = { code: 'IN_USE', message: 'no' };
  expect(decodeRefusal(encodeJson(refusal))).toEqual(refusal);
});

test.each([
  ['protocolVersion', 0],
  ['volumeId', ''],
  ['replicaId', 7],
  ['dataId', undefined],
  ['epoch', 0],
  ['epoch', 1.5],
  ['instanceId', 'x'.repeat(1025)],
  ['nonce', 'x'.repeat(65)],
])('hello, is refused, when %s is %p', (field, value) => {
  const json = Buffer.from(JSON.stringify({ ...HELLO, [field]: value }));
  expect(() => decodeHello(json)).toThrow(KeelsonError);
});

test.each([
  ['sizeBytes', 4095],
  ['session', 0],
  ['isPristine', 'yes'],
  ['tail', { known: true, ranges: [{ start: 5, end: 5 }] }],
  ['tail', { known: true, ranges: Array(MAX_TAIL_RANGES + 1).fill({ start: 0, end: 1 }) }],
])('welcome, is refused, when %s is out of range', (field, value) => {
  const json = Buffer.from(JSON.stringify({ ...WELCOME, [field]: value }));
  expect(() => decodeWelcome(json)).toThrow(KeelsonError);
});

test('hello, is refused with a code, when it is no JSON', () => {
  expect(() => decodeHello(Buffer.from('{"a'))).toThrow(KeelsonError);
});
