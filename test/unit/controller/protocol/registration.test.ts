import {
  decodeRegistration,
  type Registration,
  registrationPath,
} from '../../../../controller/protocol/registration.ts';
import { MAX_VOLUME_BYTES } from '../../../../replica/common/limits.ts';
import { makeRecord } from '../support/copies.ts';

const REGISTRATION: Registration = {
  revision: 4,
  volume: {
    ...{ id: 'v1', namespace: 'default', name: 'db', sizeBytes: 1024 * 1024 },
    ...{ replicas: 1, failureMode: 'soft', failureTolerance: 1 },
    ...{ initiators: ['iqn.2026-11.com.example:a'], allowsSanitize: true },
  },
  membership: makeRecord([{}, {}]),
  addresses: { r0: { host: '127.0.0.11', port: 5703 }, r1: { host: '127.0.0.12', port: 5703 } },
  leaving: ['r1'],
  goneInstances: ['i0'],
  chap: {
    users: [{ name: 'alice', secret: 'open-sesame-1' }],
    mutual: { name: 'target', secret: 'open-sesame-2' },
    allowsShortSecrets: false,
  },
};

test('registration decoder returns what was encoded', () => {
  expect(decodeRegistration(JSON.parse(JSON.stringify(REGISTRATION)))).toEqual(REGISTRATION);
});

test.each<[string, unknown]>([
  ['id', ''],
  ['namespace', undefined],
  ['name', 'n'.repeat(1025)],
  ['sizeBytes', 4095],
  ['sizeBytes', MAX_VOLUME_BYTES + 1],
  ['replicas', 6],
  ['failureMode', 'medium'],
  ['failureTolerance', 5],
  ['initiators', 'iqn.2026-11.com.example:a'],
  ['initiators', Array.from({ length: 129 }, () => 'iqn.2026-11.com.example:a')],
  ['allowsSanitize', 'allow'],
])('registration decoder refuses a volume whose %s is %p', (field, value) => {
  const volume = { ...REGISTRATION.volume, [field]: value };
  expect(() => decodeRegistration({ ...REGISTRATION, volume })).toThrow(field);
});

test('registration decoder refuses more copies and controllers than there can be', () => {
  const many = Array.from({ length: 65 }, (_, index) => `x${index}`);
  for (const field of ['leaving', 'goneInstances']) {
    expect(() => decodeRegistration({ ...REGISTRATION, [field]: many })).toThrow(field);
  }
});

test.each([0, 65_536, '5703'])('registration decoder refuses port %p', (port) => {
  const addresses = { r0: { host: 'h', port } };
  expect(() => decodeRegistration({ ...REGISTRATION, addresses })).toThrow('port');
});

test.each(['revision', 'volume', 'membership', 'addresses', 'leaving', 'goneInstances'])(
  'registration decoder refuses none: %s',
  (part) => {
    expect(() => decodeRegistration({ ...REGISTRATION, [part]: undefined })).toThrow(part);
  },
);

test('registration path escapes what is not a plain name', () => {
  expect(registrationPath('default', 'a/b')).toBe('/v1/registry/default/a%2Fb');
});
