import {
  decodeFullStatus,
  HOLDER_GRACE_MS,
  holderOf,
  judge,
  type Sight,
} from '../../../../orchestrator/docker-driver/core/fence.ts';
import { SeededRandom } from '../../../support/random.ts';

const OURS = 0xa1n;
const THEIRS = 0xb2n;
const NAME = 'iqn.1993-08.org.debian:01:host-b';

/** As a target answers, laid out by SPC-4 clause 6.15.5. */
function fullStatus(...nexuses: { key: bigint; isHolder?: boolean; name?: string }[]): Buffer {
  const descriptors = nexuses.map(({ key, isHolder = false, name = NAME }) => {
    const text = Buffer.from(`${name},i,0x00023d000001\0`);
    const padded = Buffer.concat([text, Buffer.alloc((4 - (text.length % 4)) % 4)]);
    const descriptor = Buffer.alloc(24 + 4);
    descriptor.writeBigUInt64BE(key, 0);
    descriptor[12] = isHolder ? 1 : 0;
    descriptor[13] = isHolder ? 1 : 0;
    descriptor.writeUInt32BE(4 + padded.length, 20);
    descriptor[24] = 0x45;
    descriptor.writeUInt16BE(padded.length, 26);
    return Buffer.concat([descriptor, padded]);
  });
  const body = Buffer.concat(descriptors);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(7, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

test('registrations are read with key, holder and name', () => {
  const bytes = fullStatus({ key: OURS }, { key: THEIRS, isHolder: true });
  expect(decodeFullStatus(bytes)).toEqual([
    { key: OURS, isHolder: false, initiator: NAME },
    { key: THEIRS, isHolder: true, initiator: NAME },
  ]);
  expect(decodeFullStatus(fullStatus())).toEqual([]);
});

test('an answer that was cut anywhere is refused, and never read beyond', () => {
  const bytes = fullStatus({ key: OURS }, { key: THEIRS, isHolder: true });
  for (let length = 0; length < bytes.length; length += 1) {
    expect(() => decodeFullStatus(bytes.subarray(0, length))).toThrow(/lengths/);
  }
});

test('a TransportID that is longer than its descriptor list is refused', () => {
  const bytes = fullStatus({ key: OURS });
  bytes.writeUInt32BE(0xffff_ffff, 8 + 20);
  expect(() => decodeFullStatus(bytes)).toThrow(/lengths/);
});

test('any bytes are registrations or refused', () => {
  const random = new SeededRandom(20261121);
  const good = fullStatus({ key: OURS }, { key: THEIRS, isHolder: true });
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = Buffer.from(good);
    for (let hit = 0; hit <= round % 4; hit += 1) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    try {
      expect(decodeFullStatus(bytes).length).toBeLessThanOrEqual(bytes.length / 24);
    } catch (error) {
      if (!/lengths/.test(String(error)))
        throw new Error(`seed ${random.seed}, round ${round}: ${error}`);
    }
  }
});

test('a name is shown without what a terminal would act on', () => {
  const [registration] = decodeFullStatus(fullStatus({ key: OURS, name: 'iqn.x\x1b[2J\nevil' }));
  expect(registration?.initiator).toBe('iqn.x[2Jevil');
});

test('the holder is us by the key, also over another session', () => {
  const status = (...nexuses: Parameters<typeof fullStatus>) =>
    holderOf(decodeFullStatus(fullStatus(...nexuses)), OURS);
  expect(status()).toEqual({ kind: 'nobody' });
  expect(status({ key: THEIRS })).toEqual({ kind: 'nobody' });
  expect(status({ key: OURS, isHolder: true })).toEqual({ kind: 'us' });
  expect(status({ key: OURS }, { key: THEIRS, isHolder: true })).toEqual({
    ...{ kind: 'other', key: THEIRS, initiator: NAME },
  });
});

const OTHER = { kind: 'other', key: THEIRS, initiator: NAME } as const;
const sight = (changed: Partial<Sight>): Sight => ({
  ...{ holder: OTHER, others: 0, waitedMs: 0, quietMs: 0 },
  ...changed,
});

test.each<[string, Partial<Sight>, string]>([
  ['ours, whoever is logged in', { holder: { kind: 'us' }, others: 3 }, 'claim'],
  ['ours, and nobody knows who is', { holder: { kind: 'us' }, others: null }, 'claim'],
  ['nobody’s, and we are alone', { holder: { kind: 'nobody' } }, 'claim'],
  ['nobody’s, but somebody is there', { holder: { kind: 'nobody' }, others: 1 }, 'wait'],
  ['nobody’s, and nobody knows', { holder: { kind: 'nobody' }, others: null }, 'wait'],
  ['still not alone', { holder: { kind: 'nobody' }, others: 1, waitedMs: 5000 }, 'refuse'],
  ['another’s, who may be leaving', { others: 1 }, 'wait'],
  ['another’s, who stays', { others: 1, waitedMs: 5000 }, 'refuse'],
  ['another’s, who has just gone', { quietMs: HOLDER_GRACE_MS - 1 }, 'wait'],
  ['another’s, who is gone', { quietMs: HOLDER_GRACE_MS }, 'take'],
  ['another’s, and nobody knows', { others: null, waitedMs: 60_000, quietMs: 60_000 }, 'wait'],
])('a volume that is %s', (_, changed, verdict) => {
  expect(judge(sight(changed)).kind).toBe(verdict);
});

test('a refusal names the host that has it', () => {
  const verdict = judge(sight({ others: 1, waitedMs: 5000 }));
  expect(verdict).toMatchObject({ why: expect.stringContaining(NAME) });
});
