import { createHash } from 'node:crypto';
import { LOGIN_REFUSALS, type LoginRefusal } from '../../../../controller/iscsi/login-refusals.ts';
import type { ChapCredentials } from '../../../../controller/protocol/chap-credentials.ts';
import {
  INITIATOR_NAME,
  makePdu,
  makeTarget,
  TARGET_NAME,
  TestInitiator,
  text,
} from '../../../support/initiator-pdus.ts';

const NAMES = [`InitiatorName=${INITIATOR_NAME}`, `TargetName=${TARGET_NAME}`];
const SECRET = 'initiator-secret';
const CHAP: ChapCredentials = {
  users: [{ name: 'alice', secret: SECRET }],
  mutual: { name: 'keelson', secret: 'target-secret-1' },
  allowsShortSecrets: false,
};
const STAY_IN_SECURITY = 0x00;
const TO_OPERATIONAL = 0x81;
const TO_FULL = 0x83;
const OPERATIONAL_TO_FULL = 0x87;

function pairsOf(initiator: TestInitiator): Map<string, string> {
  const data = initiator.only().data ?? Buffer.alloc(0);
  const pairs = data.toString().split('\0').slice(0, -1);
  return new Map(pairs.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]));
}

function flagsOf(initiator: TestInitiator): number {
  return initiator.only().header[1] as number;
}

/** The status on the wire and the reason for the log, which must agree. */
function refusalOf(initiator: TestInitiator): [string, LoginRefusal | undefined] {
  expect(initiator.kinds()).toEqual(['send', 'close']);
  const { header } = initiator.only();
  const [, close] = initiator.effects;
  const why = close?.kind === 'close' ? close.refused?.why : undefined;
  const status = header.readUInt16BE(36);
  expect(status).toBe(why && LOGIN_REFUSALS[why]);
  expect(initiator.target.sessionCount()).toBe(0);
  return [status.toString(16).padStart(4, '0'), why];
}

function responseTo(challenge: Map<string, string>, secret: string): string {
  const identifier = Buffer.from([Number(challenge.get('CHAP_I'))]);
  const bytes = Buffer.from((challenge.get('CHAP_C') as string).slice(2), 'hex');
  const hash = createHash('sha256').update(identifier).update(secret).update(bytes);
  return `0x${hash.digest('hex')}`;
}

/** Goes up to the challenge, which it returns. */
function beginChap(initiator: TestInitiator, ...names: string[]): Map<string, string> {
  const offer = text(...(names.length > 0 ? names : NAMES), 'AuthMethod=CHAP,None');
  initiator.send(initiator.loginPdu(TO_OPERATIONAL, offer));
  expect(pairsOf(initiator).get('AuthMethod')).toBe('CHAP');
  expect(flagsOf(initiator)).toBe(0x00); // it asked to go on; nothing is proved yet
  initiator.send(initiator.loginPdu(STAY_IN_SECURITY, text('CHAP_A=7,5')));
  return pairsOf(initiator);
}

describe('login with CHAP', () => {
  test('goes on to the operational stage once the initiator has proved itself', () => {
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    const challenge = beginChap(initiator);
    const answer = text('CHAP_N=alice', `CHAP_R=${responseTo(challenge, SECRET)}`);
    initiator.send(initiator.loginPdu(TO_OPERATIONAL, answer));
    expect(flagsOf(initiator)).toBe(TO_OPERATIONAL);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, text('HeaderDigest=None')));
    expect(initiator.kinds()).toContain('nexus-opened');
    expect(initiator.target.sessionCount()).toBe(1);
  });

  test('may go to the full feature phase from the security stage', () => {
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    const challenge = beginChap(initiator);
    const answer = text('CHAP_N=alice', `CHAP_R=${responseTo(challenge, SECRET)}`);
    initiator.send(initiator.loginPdu(TO_FULL, answer));
    expect(flagsOf(initiator)).toBe(TO_FULL);
    expect(initiator.target.sessionCount()).toBe(1);
  });

  test('proves the target to an initiator that asks for it', () => {
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    const challenge = beginChap(initiator);
    const theirs = new Map([
      ['CHAP_I', '200'],
      ['CHAP_C', `0x${'5a'.repeat(32)}`],
    ]);
    const answer = text(
      ...['CHAP_N=alice', `CHAP_R=${responseTo(challenge, SECRET)}`],
      ...[...theirs].map(([key, value]) => `${key}=${value}`),
    );
    initiator.send(initiator.loginPdu(TO_OPERATIONAL, answer));
    expect([...pairsOf(initiator)]).toEqual([
      ['CHAP_N', 'keelson'],
      ['CHAP_R', responseTo(theirs, 'target-secret-1')],
    ]);
  });

  test('is asked of discovery sessions as well', () => {
    const discovery = [`InitiatorName=${INITIATOR_NAME}`, 'SessionType=Discovery'];
    const without = new TestInitiator(makeTarget({ chap: CHAP }));
    without.send(without.loginPdu(OPERATIONAL_TO_FULL, text(...discovery)));
    expect(refusalOf(without)).toEqual(['0201', 'authentication-required']);
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    const challenge = beginChap(initiator, ...discovery);
    const answer = text('CHAP_N=alice', `CHAP_R=${responseTo(challenge, SECRET)}`);
    initiator.send(initiator.loginPdu(TO_FULL, answer));
    expect(initiator.target.sessionCount()).toBe(1);
  });

  test('takes operational keys beside those of CHAP', () => {
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    const offer = text(...NAMES, 'AuthMethod=CHAP', 'ImmediateData=No');
    initiator.send(initiator.loginPdu(TO_OPERATIONAL, offer));
    expect(pairsOf(initiator).get('ImmediateData')).toBe('No');
  });

  test.each<[string, number, string[], string, LoginRefusal]>([
    [
      'only None is offered',
      TO_OPERATIONAL,
      ['AuthMethod=None'],
      '0201',
      'authentication-required',
    ],
    ['another method only', TO_OPERATIONAL, ['AuthMethod=KRB5'], '0201', 'authentication-required'],
    ['no method is offered', TO_OPERATIONAL, [], '0201', 'authentication-required'],
    ['the stage is skipped', OPERATIONAL_TO_FULL, [], '0201', 'authentication-required'],
    ['it stays in a later stage', 0x04, [], '0201', 'authentication-required'],
    ['CHAP comes before its method', STAY_IN_SECURITY, ['CHAP_A=5'], '0200', 'protocol-error'],
    [
      'method and algorithm come at once',
      STAY_IN_SECURITY,
      ['AuthMethod=CHAP', 'CHAP_A=5'],
      '0200',
      'protocol-error',
    ],
    [
      'the method comes twice',
      STAY_IN_SECURITY,
      ['AuthMethod=CHAP', 'AuthMethod=CHAP'],
      '0200',
      'protocol-error',
    ],
    [
      'the method comes in the operational stage',
      OPERATIONAL_TO_FULL,
      ['AuthMethod=CHAP'],
      '0201',
      'authentication-required',
    ],
  ])('is refused when %s', (_, flags, keys, status, why) => {
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    initiator.send(initiator.loginPdu(flags, text(...NAMES, ...keys)));
    expect(refusalOf(initiator)).toEqual([status, why]);
  });

  test.each<[string, string[], string, LoginRefusal]>([
    [
      'a wrong secret',
      ['CHAP_N=alice', `CHAP_R=0x${'00'.repeat(32)}`],
      '0201',
      'wrong-credentials',
    ],
    [
      'a user nobody knows',
      ['CHAP_N=bob', `CHAP_R=0x${'00'.repeat(32)}`],
      '0201',
      'wrong-credentials',
    ],
    ['a malformed response', ['CHAP_N=alice', 'CHAP_R=secret'], '0200', 'protocol-error'],
    ['no response', ['CHAP_N=alice'], '0207', 'missing-parameter'],
    ['nothing', [], '0207', 'missing-parameter'],
    ['a second method', ['AuthMethod=None'], '0207', 'missing-parameter'],
  ])('is refused with %s, whatever stage it wants next', (_, keys, status, why) => {
    for (const flags of [STAY_IN_SECURITY, TO_OPERATIONAL, TO_FULL]) {
      const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
      beginChap(initiator);
      initiator.send(initiator.loginPdu(flags, text(...keys)));
      expect(refusalOf(initiator)).toEqual([status, why]);
    }
  });

  test('is refused when the operational stage comes before the proof', () => {
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    beginChap(initiator);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, text('ImmediateData=No')));
    expect(refusalOf(initiator)).toEqual(['0200', 'protocol-error']);
  });

  test('is refused when the exchange is begun again after the proof', () => {
    const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
    const challenge = beginChap(initiator);
    const answer = text('CHAP_N=alice', `CHAP_R=${responseTo(challenge, SECRET)}`);
    initiator.send(initiator.loginPdu(STAY_IN_SECURITY, answer));
    expect(initiator.kinds()).toEqual(['send']);
    initiator.send(initiator.loginPdu(STAY_IN_SECURITY, text('CHAP_A=5')));
    expect(refusalOf(initiator)).toEqual(['0200', 'protocol-error']);
  });

  test("is refused with the response to another connection's challenge", () => {
    const target = makeTarget({ chap: CHAP });
    const [first, second] = [new TestInitiator(target, 1), new TestInitiator(target, 2)];
    const challenge = beginChap(first);
    beginChap(second);
    const answer = text('CHAP_N=alice', `CHAP_R=${responseTo(challenge, SECRET)}`);
    second.send(second.loginPdu(TO_OPERATIONAL, answer));
    expect(refusalOf(second)).toEqual(['0201', 'wrong-credentials']);
  });

  test('is not asked for any more once that was changed, and the session of before stays', () => {
    const target = makeTarget({ chap: CHAP });
    const early = new TestInitiator(target, 1);
    const challenge = beginChap(early);
    early.step({ kind: 'access-changed', access: { initiators: [], chap: null } });
    const late = new TestInitiator(target, 2);
    late.send(late.loginPdu(OPERATIONAL_TO_FULL, text(...NAMES), { 12: 2 }));
    expect(target.sessionCount()).toBe(1);
    // A login that was under way goes by the rules that it began with.
    const answer = text('CHAP_N=alice', `CHAP_R=${responseTo(challenge, SECRET)}`);
    early.send(early.loginPdu(TO_FULL, answer));
    expect(target.sessionCount()).toBe(2);
    late.step({ kind: 'access-changed', access: { initiators: ['iqn.x'], chap: CHAP } });
    expect(target.sessionCount()).toBe(2);
  });
});

describe('login without CHAP', () => {
  test.each(['None', 'None,CHAP', 'CHAP,None', 'KRB5,None'])('chooses None of %s', (offer) => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(TO_OPERATIONAL, text(...NAMES, `AuthMethod=${offer}`)));
    expect(pairsOf(initiator).get('AuthMethod')).toBe('None');
    expect(flagsOf(initiator)).toBe(TO_OPERATIONAL);
  });

  test.each<[string, number, string[], string, LoginRefusal]>([
    ['CHAP is insisted on', TO_OPERATIONAL, ['AuthMethod=CHAP'], '0201', 'no-common-method'],
    ['CHAP keys come anyway', TO_OPERATIONAL, ['CHAP_A=5'], '0200', 'protocol-error'],
    [
      'the method comes too late',
      OPERATIONAL_TO_FULL,
      ['AuthMethod=None'],
      '0200',
      'protocol-error',
    ],
  ])('is refused when %s', (_, flags, keys, status, why) => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(flags, text(...NAMES, ...keys)));
    expect(refusalOf(initiator)).toEqual([status, why]);
  });

  test('is refused when the method comes a second time', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(STAY_IN_SECURITY, text(...NAMES, 'AuthMethod=None')));
    initiator.send(initiator.loginPdu(STAY_IN_SECURITY, text('AuthMethod=None')));
    expect(refusalOf(initiator)).toEqual(['0200', 'protocol-error']);
  });
});

describe('the list of initiators', () => {
  const others = ['iqn.2026-11.com.example:a', 'eui.0123456789abcdef'];

  test.each([
    [INITIATOR_NAME],
    [INITIATOR_NAME.toUpperCase()],
    // The ligature and the full-width letters of RFC 3722's compatibility mapping.
    [INITIATOR_NAME.replace('iqn', 'ｉｑｎ')],
  ])('lets %s in, however it is written (RFC 3722)', (name) => {
    const target = makeTarget({ initiators: [...others, INITIATOR_NAME] });
    const names = [`InitiatorName=${name}`, `TargetName=${TARGET_NAME.toUpperCase()}`];
    new TestInitiator(target).loginAs(names);
    expect(target.sessionCount()).toBe(1);
  });

  test.each<[string, string[]]>([
    ['a normal session', [`TargetName=${TARGET_NAME}`]],
    ['a discovery session', ['SessionType=Discovery']],
  ])('keeps %s of everybody else out with 0202', (_, keys) => {
    const initiator = new TestInitiator(makeTarget({ initiators: others }));
    const names = text(`InitiatorName=${INITIATOR_NAME}`, ...keys);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, names));
    expect(refusalOf(initiator)).toEqual(['0202', 'initiator-not-allowed']);
    expect(initiator.effects[1]).toMatchObject({ refused: { initiator: INITIATOR_NAME } });
  });

  test('is no proof: CHAP is asked for as well', () => {
    const target = makeTarget({ initiators: [INITIATOR_NAME], chap: CHAP });
    const initiator = new TestInitiator(target);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, text(...NAMES)));
    expect(refusalOf(initiator)).toEqual(['0201', 'authentication-required']);
  });

  test('knows a session again when the same initiator writes its name in capitals', () => {
    const target = makeTarget();
    new TestInitiator(target, 1).loginAs(NAMES);
    const names = [`InitiatorName=${INITIATOR_NAME.toUpperCase()}`, `TargetName=${TARGET_NAME}`];
    new TestInitiator(target, 2).loginAs(names);
    expect(target.sessionCount()).toBe(1);
  });
});

test('a refused login says who it was, and nothing that it sent to prove it', () => {
  const initiator = new TestInitiator(makeTarget({ chap: CHAP }));
  const challenge = beginChap(initiator);
  const response = responseTo(challenge, 'wrong-secret-1');
  initiator.send(initiator.loginPdu(TO_OPERATIONAL, text('CHAP_N=pa55word', `CHAP_R=${response}`)));
  expect(initiator.effects[1]).toEqual({
    kind: 'close',
    connection: 1,
    reason: 'login refused: wrong-credentials',
    refused: { why: 'wrong-credentials', initiator: INITIATOR_NAME },
  });
  expect(initiator.only().data).toHaveLength(0);
});

test('a connection that does not begin with a login is refused without a name', () => {
  const initiator = new TestInitiator(makeTarget());
  initiator.send(makePdu({ opcode: 0x40 }));
  expect(refusalOf(initiator)).toEqual(['020b', 'not-a-login']);
  expect(initiator.effects[1]).toMatchObject({ refused: { initiator: undefined } });
});
