import { decodeMembership } from '../../../controller/protocol/membership.ts';
import { decodeRegistration } from '../../../controller/protocol/registration.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { parseJson } from '../../../replica/common/validate.ts';
import {
  decodeChallenge,
  decodeHello,
  decodeRefusal,
  decodeWelcome,
} from '../../../replica/protocol/hello.ts';
import type { SeededRandom } from '../../support/random.ts';
import { mutateJson } from '../json.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

const MEMBERSHIP = {
  ...{ version: 7, epoch: 2, controller: { instanceId: 'i1', address: 'h:3260' }, generation: 3 },
  ...{ losses: 0, sizeBytes: 2 ** 20 },
  copies: {
    r0: { node: 'n1', dataId: 'd', state: 'in-sync', generation: 1, session: 1 },
    r1: { node: 'n2', dataId: null, state: 'syncing', generation: 0, session: 0 },
  },
};
const REGISTRATION = {
  revision: 4,
  volume: {
    ...{ id: 'v1', namespace: 'default', name: 'demo', sizeBytes: 2 ** 20, replicas: 1 },
    ...{ failureMode: 'soft', failureTolerance: 1, initiators: ['iqn.2026-01.io.a:b'] },
    allowsSanitize: false,
  },
  membership: MEMBERSHIP,
  addresses: { r0: { host: '127.0.0.11', port: 5703 }, r1: { host: '127.0.0.12', port: 5703 } },
  ...{ leaving: ['r1'], goneInstances: ['i0'] },
  chap: {
    users: [{ name: 'user', secret: 'twelve-chars' }],
    mutual: { name: 'target', secret: 'other-twelve' },
    allowsShortSecrets: false,
  },
};
const NONCE = 'ab'.repeat(32);
const HELLO = {
  ...{ protocolVersion: 4, volumeId: 'v1', replicaId: 'r1', dataId: 'd1', session: 7 },
  ...{ epoch: 6, instanceId: 'i6', nonce: NONCE },
};
const WELCOME = {
  ...{ protocolVersion: 4, volumeId: 'v1', replicaId: 'r0', dataId: 'd', sizeBytes: 2 ** 20 },
  ...{ isPristine: false, session: 1, lastSeq: 0, restart: 'none', attribute: 'AAAA' },
  tail: [{ start: 0, end: 4096 }],
  leases: [{ instanceId: 'i5', remainingMs: 100 }],
};

/** Input: the JSON of one message. */
export const MESSAGES: readonly FuzzTarget[] = [
  message('membership', MEMBERSHIP, (json) => decodeMembership(parse(json))),
  message('registration', REGISTRATION, (json) => decodeRegistration(parse(json))),
  message('challenge', { nonce: NONCE }, decodeChallenge),
  message('hello', HELLO, decodeHello),
  message('welcome', WELCOME, decodeWelcome),
  message('refusal', { code: 'IN_USE', message: 'held by another' }, decodeRefusal),
];

function parse(json: Buffer): unknown {
  return parseJson(json.toString('utf8'), 'message');
}

/** A decoder may throw one thing only, and what it makes means the same to itself. */
function message(name: string, sample: object, decode: (json: Buffer) => unknown): FuzzTarget {
  const text = Buffer.from(JSON.stringify(sample), 'utf8');
  decode(text); // the sample itself is right, or nothing here would test much
  return {
    name,
    generate: (random: SeededRandom) => mutateJson(text, random),
    check(input: Buffer): void {
      let decoded: unknown;
      try {
        decoded = decode(input);
      } catch (error) {
        if (error instanceof KeelsonError && error.code === 'INVALID_ARGUMENT') return;
        throw error;
      }
      const encoded = JSON.stringify(decoded);
      const again = JSON.stringify(decode(Buffer.from(encoded, 'utf8')));
      expectThat(again === encoded, 'what is decoded means something else to itself', {
        encoded,
        again,
      });
    },
  };
}
