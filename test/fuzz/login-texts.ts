import { INITIATOR_NAME, TARGET_NAME, text } from '../support/initiator-pdus.ts';
import type { SeededRandom } from '../support/random.ts';

/** Keys of RFC 7143 section 13 and 12, each with values of which most are right. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  InitiatorName: [INITIATOR_NAME, '', 'iqn.', 'IQN.2026-01.io.Keelson:Tester', 'x'.repeat(224)],
  TargetName: [TARGET_NAME, TARGET_NAME.toUpperCase(), 'iqn.2026-01.io.other:x', ''],
  SessionType: ['Normal', 'Discovery', 'Other'],
  AuthMethod: ['None', 'CHAP', 'CHAP,None', 'KRB5,SRP', 'Reject'],
  CHAP_A: ['5', '5,6,7,8', '8', '9', '', '4294967296', '5,'.repeat(500)],
  CHAP_N: ['user', '', 'other', 'u'.repeat(300)],
  CHAP_R: [
    '0x00',
    `0x${'ab'.repeat(16)}`,
    `0b${'q'.repeat(24)}`,
    '0x',
    'zz',
    `0x${'0'.repeat(3000)}`,
  ],
  CHAP_I: ['0', '255', '256', '0x7f', '-1'],
  CHAP_C: [`0x${'cd'.repeat(16)}`, '0x', `0x${'cd'.repeat(1100)}`, '0b===='],
  HeaderDigest: ['None', 'CRC32C', 'CRC32C,None', 'None,CRC32C', 'MD5'],
  DataDigest: ['None', 'CRC32C', 'CRC32C,None', ','],
  MaxConnections: ['1', '8', '65536', '0'],
  InitialR2T: ['Yes', 'No', 'Maybe'],
  ImmediateData: ['Yes', 'No', 'yes'],
  MaxRecvDataSegmentLength: ['8192', '262144', '512', '511', '16777215', '16777216', '0x2000'],
  MaxBurstLength: ['262144', '512', '16777215', '0'],
  FirstBurstLength: ['65536', '512', '16777215', '99999999999'],
  DefaultTime2Wait: ['0', '2', '3600', '3601'],
  DefaultTime2Retain: ['0', '20'],
  MaxOutstandingR2T: ['1', '8', '65535', '0'],
  DataPDUInOrder: ['Yes', 'No'],
  DataSequenceInOrder: ['Yes', 'No'],
  ErrorRecoveryLevel: ['0', '1', '2', '3'],
  IFMarker: ['No', 'Yes'],
  OFMarkInt: ['2048~65535'],
  TaskReporting: ['RFC3720', 'FastAbort', 'ResponseFence,RFC3720'],
  iSCSIProtocolLevel: ['1', '2', '31'],
  SendTargets: ['All', '', TARGET_NAME],
  'X-com.example.key': ['value', 'NotUnderstood'],
};

/** `key=value` pairs, most of them known. */
export function anyText(random: SeededRandom): Buffer {
  return text(...Array.from({ length: random.below(8) }, () => anyPair(random)));
}

/** What opens a login, followed by a few keys. */
export function introduction(random: SeededRandom): Buffer {
  const first = [`InitiatorName=${INITIATOR_NAME}`, `TargetName=${TARGET_NAME}`];
  const pairs = random.chance(0.8) ? first : first.slice(random.below(2));
  return text(...pairs, ...Array.from({ length: random.below(6) }, () => anyPair(random)));
}

/** The texts of a login with CHAP in their order, each with a value that is right or nearly so. */
export function chapTexts(random: SeededRandom): Buffer[] {
  const pick = (key: string) => `${key}=${random.pick(KEYS[key] ?? [''])}`;
  const names = [`InitiatorName=${INITIATOR_NAME}`, `TargetName=${TARGET_NAME}`];
  const proof = ['CHAP_N=user', pick('CHAP_R')];
  if (random.chance(0.5)) proof.push(pick('CHAP_I'), pick('CHAP_C'));
  const algorithm = random.chance(0.8) ? 'CHAP_A=5,7' : pick('CHAP_A');
  return [text(...names, 'AuthMethod=CHAP'), text(algorithm), text(...proof)];
}

function anyPair(random: SeededRandom): string {
  const key = random.pick(Object.keys(KEYS));
  return `${key}=${random.pick(KEYS[key] ?? [''])}`;
}
