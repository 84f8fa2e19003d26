import { KeelsonError } from '../../../../replica/common/errors.ts';
import {
  decodeHello,
  decodeRefusal,
  decodeWelcome,
  encodeJson,
  type Hello,
  MAX_INSTANCE_ID_LENGTH,
  MAX_LEASES,
  MAX_TAIL_RANGES,
  type Welcome,
} from '../../../../replica/protocol/hello.ts';

const HELLO: Hello = {
  ...{ protocolVersion: 1, volumeId: 'v', replicaId: 'r1', dataId: null, session: 0 },
  ...{ epoch: 4, instanceId: 'i', nonce: 'ab' },
};
const WELCOME: Welcome = {
  ...{ protocolVersion: 1, volumeId: 'v', replicaId: 'r1', dataId: 'd', sizeBytes: 8192 },
  ...{ isPristine: false, session: 3, lastSeq: 9, restart: 'killed' },
  ...{ tail: [{ start: 0, end: 4096 }], leases: [{ instanceId: 'j', remainingMs: 60_000 }] },
  attribute: 'a2V5',
};

test('hello, welcome and refusal, read back as they were written', () => {
  expect(decodeHello(encodeJson(HELLO))).toEqual(HELLO);
  expect(decodeHello(encodeJson({ ...HELLO, dataId: 'd' })).dataId).toBe('d');
  expect(decodeWelcome(encodeJson(WELCOME))).toEqual(WELCOME);
  const refusal = { code: 'IN_USE', message: 'no' };
  expect(decodeRefusal(encodeJson(refusal))).toEqual(refusal);
});

test.each([
  ['protocolVersion', 0],
  ['volumeId', ''],
  ['replicaId', 7],
  ['dataId', undefined],
  ['session', -1],
  ['epoch', 0],
  ['epoch', 1.5],
  ['instanceId', 'x'.repeat(MAX_INSTANCE_ID_LENGTH + 1)],
  ['nonce', 'x'.repeat(65)],
])('hello, is refused, when %s is %p', (field, value) => {
  const json = Buffer.from(JSON.stringify({ ...HELLO, [field]: value }));
  expect(() => decodeHello(json)).toThrow(KeelsonError);
});

test.each([
  ['sizeBytes', 4095],
  ['session', 0],
  ['isPristine', 'yes'],
  ['restart', 'slept'],
  ['tail', [{ start: 5, end: 5 }]],
  ['tail', Array(MAX_TAIL_RANGES + 1).fill({ start: 0, end: 1 })],
  ['leases', [{ instanceId: 'j', remainingMs: 60_001 }]],
  ['leases', Array(MAX_LEASES + 1).fill({ instanceId: 'j', remainingMs: 0 })],
])('welcome, is refused, when %s is out of range', (field, value) => {
  const json = Buffer.from(JSON.stringify({ ...WELCOME, [field]: value }));
  expect(() => decodeWelcome(json)).toThrow(KeelsonError);
});

test('hello, is refused with a code, when it is no JSON', () => {
  expect(() => decodeHello(Buffer.from('{"a'))).toThrow(KeelsonError);
});
