import {
  INITIATOR_NAME,
  makeTarget,
  TARGET_NAME,
  TestInitiator,
  text,
} from '../../../support/initiator-pdus.ts';

const NAMES = [`InitiatorName=${INITIATOR_NAME}`, `TargetName=${TARGET_NAME}`];
const SECURITY_TO_OPERATIONAL = 0x81;
const OPERATIONAL_TO_FULL = 0x87;

function pairsOf(data: Buffer | undefined): string[] {
  return (data ?? Buffer.alloc(0)).toString().split('\0').slice(0, -1);
}

function refusal(initiator: TestInitiator): string {
  const { header } = initiator.only();
  expect(initiator.kinds()).toEqual(['send', 'close']);
  expect((header[1] as number) & 0x80).toBe(0);
  return header.toString('hex', 36, 38);
}

describe('login', () => {
  test('goes through the security and operational stages, as open-iscsi does', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(
      initiator.loginPdu(
        SECURITY_TO_OPERATIONAL,
        text(...NAMES, 'SessionType=Normal', 'AuthMethod=CHAP,None'),
      ),
    );
    let { header, data } = initiator.only();
    expect(header.toString('hex', 0, 2)).toBe('2381');
    expect(header.readUInt32BE(16)).toBe(7);
    expect([header.readUInt32BE(28), header.readUInt32BE(32)]).toEqual([100, 227]);
    expect(pairsOf(data)).toEqual([
      'TargetAlias=default/vol1',
      'TargetPortalGroupTag=1',
      'AuthMethod=None',
    ]);
    const statSN = header.readUInt32BE(24);
    initiator.send(
      initiator.loginPdu(
        OPERATIONAL_TO_FULL,
        text('HeaderDigest=None', 'MaxRecvDataSegmentLength=262144', 'X-other=1'),
      ),
    );
    ({ header, data } = initiator.only());
    expect(header.toString('hex', 0, 2)).toBe('2387');
    expect(header.readUInt32BE(24)).toBe(statSN + 1);
    expect(header.readUInt16BE(14)).not.toBe(0);
    expect(header.readUInt16BE(36)).toBe(0);
    expect(pairsOf(data)).toEqual([
      'HeaderDigest=None',
      'X-other=NotUnderstood',
      'MaxRecvDataSegmentLength=262144',
    ]);
    expect(initiator.effects[0]).toEqual({
      kind: 'nexus-opened',
      nexus: 1,
      initiator: `${INITIATOR_NAME},i,0x00023d000000`,
    });
    expect(initiator.target.sessionCount()).toBe(1);
  });

  test('starts in the operational stage, as libiscsi may', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, text(...NAMES)));
    expect(initiator.kinds()).toEqual(['nexus-opened', 'send', 'logged-in']);
    expect(pairsOf(initiator.only().data)).toEqual([
      'TargetAlias=default/vol1',
      'TargetPortalGroupTag=1',
      'MaxRecvDataSegmentLength=262144',
    ]);
  });

  test('puts a text together that comes in several PDUs', () => {
    const initiator = new TestInitiator(makeTarget());
    const whole = text(...NAMES);
    initiator.send(initiator.loginPdu(0x44, whole.subarray(0, 30)));
    expect(initiator.only().header.toString('hex', 0, 2)).toBe('2304');
    expect(initiator.only().data).toHaveLength(0);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, whole.subarray(30)));
    expect(initiator.kinds()).toContain('nexus-opened');
  });

  test('sends an answer that is too long for one PDU in several', () => {
    const initiator = new TestInitiator(makeTarget());
    const keys = Array.from({ length: 600 }, (_, index) => `X-example.key-${index}=1`);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, text(...NAMES, ...keys)));
    let answer = initiator.only();
    expect(answer.header[1]).toBe(0x44);
    let answered = Buffer.from(answer.data as Buffer);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, Buffer.alloc(0)));
    answer = initiator.only();
    expect(answer.header[1]).toBe(0x44);
    answered = Buffer.concat([answered, answer.data as Buffer]);
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, Buffer.alloc(0)));
    answered = Buffer.concat([answered, initiator.only().data as Buffer]);
    expect(initiator.only().header[1]).toBe(0x87);
    expect(pairsOf(answered)).toHaveLength(603);
  });

  const long = Buffer.alloc(8192, 'a');

  test.each<[string, string, number, Buffer, Record<number, number>]>([
    ['no initiator name', '0207', 0x87, text(`TargetName=${TARGET_NAME}`), {}],
    ['no target name', '0207', 0x87, text(`InitiatorName=${INITIATOR_NAME}`), {}],
    ['another target name', '0203', 0x87, text(NAMES[0] as string, 'TargetName=iqn.x:y'), {}],
    ['an unknown session type', '0209', 0x87, text(...NAMES, 'SessionType=Odd'), {}],
    ['a newer version only', '0205', 0x87, text(...NAMES), { 3: 1 }],
    ['a session that does not exist', '020a', 0x87, text(...NAMES), { 15: 9 }],
    ['no acceptable authentication', '0201', 0x81, text(...NAMES, 'AuthMethod=CHAP'), {}],
    ['an undefined stage', '0200', 0x88, text(...NAMES), {}],
    ['an undefined next stage', '0200', 0x86, text(...NAMES), {}],
    ['a step back', '0200', 0x84, text(...NAMES), {}],
    ['a transit within a continued text', '0200', 0xc7, text(...NAMES), {}],
    ['a key twice', '0200', 0x87, text(...NAMES, 'ImmediateData=No', 'ImmediateData=No'), {}],
    ['a name twice', '0200', 0x87, text(...NAMES, ...NAMES), {}],
    ['text that is no key and value', '0200', 0x87, Buffer.from('garbage\0'), {}],
    ['a key name that is too long', '0200', 0x87, Buffer.concat([long, text('=1')]), {}],
  ])('is refused with %s (%s)', (_, status, flags, data, bytes) => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(flags, data, bytes));
    expect(refusal(initiator)).toBe(status.toLowerCase());
    expect(initiator.target.sessionCount()).toBe(0);
    expect(initiator.send(initiator.loginPdu(0x87, text(...NAMES)))).toEqual([]);
  });

  test('is refused when another request comes first', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.command({}));
    expect(refusal(initiator)).toBe('020b');
  });

  test('is refused when the ISID changes on the way', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(SECURITY_TO_OPERATIONAL, text(...NAMES)));
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, Buffer.alloc(0), { 12: 1 }));
    expect(refusal(initiator)).toBe('0200');
  });

  test('is refused when the stage changes without a transit', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(0x00, text(...NAMES)));
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, Buffer.alloc(0)));
    expect(refusal(initiator)).toBe('0200');
  });

  test('is refused when the initiator names itself after its first text', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(SECURITY_TO_OPERATIONAL, text(...NAMES)));
    initiator.send(initiator.loginPdu(OPERATIONAL_TO_FULL, text('SessionType=Discovery')));
    expect(refusal(initiator)).toBe('0200');
  });

  test('is refused as a second connection of a session', () => {
    const target = makeTarget();
    const tsih = new TestInitiator(target).login().only().header.readUInt16BE(14);
    const second = new TestInitiator(target, 2);
    second.send(second.loginPdu(OPERATIONAL_TO_FULL, text(...NAMES), { 15: tsih }));
    expect(refusal(second)).toBe('0206');
  });

  test('is refused when its text never ends', () => {
    const initiator = new TestInitiator(makeTarget());
    for (let part = 0; part < 8; part += 1) initiator.send(initiator.loginPdu(0x44, long));
    expect(initiator.kinds()).toEqual(['send']);
    initiator.send(initiator.loginPdu(0x44, long));
    expect(refusal(initiator)).toBe('0200');
  });

  test('is refused when it takes more than 64 requests', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(0x04, text(...NAMES)));
    for (let count = 2; count <= 64; count += 1) {
      initiator.send(initiator.loginPdu(0x04, text(`X-key-${count}=1`)));
      expect(initiator.kinds()).toEqual(['send']);
    }
    initiator.send(initiator.loginPdu(0x04, text('X-key=1')));
    expect(refusal(initiator)).toBe('0200');
  });

  test('is given up after 15 seconds', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.send(initiator.loginPdu(0x04, text(...NAMES)));
    expect(initiator.step({ kind: 'tick', nowMs: 14_999 })).toEqual([]);
    initiator.step({ kind: 'tick', nowMs: 15_000 });
    expect(initiator.kinds()).toEqual(['close']);
  });
});
