import type { Pdu } from '../../../../controller/iscsi/step.ts';
import {
  makePdu,
  makeTarget,
  type Sent,
  TestInitiator,
  text,
} from '../../../support/initiator-pdus.ts';

const DATA_DIGEST_ERROR = '3f8002';

function loggedIn(...keys: string[]): TestInitiator {
  return new TestInitiator(makeTarget()).login('DataDigest=CRC32C', ...keys);
}

function damaged(pdu: Pdu): Pdu {
  return { ...pdu, isDamaged: true };
}

function expectReject(sent: Sent, refused: Pdu): void {
  expect(sent.header.toString('hex', 0, 3)).toBe(DATA_DIGEST_ERROR);
  expect(sent.data).toBe(refused.header);
}

function senseOf({ header, data }: Sent): string {
  expect([header[0], header[3]]).toEqual([0x21, 2]);
  return `${(data as Buffer)[4]?.toString(16)} ${(data as Buffer).toString('hex', 14, 16)}`;
}

describe('digests', () => {
  test.each([
    [[], { header: false, data: false }],
    [['HeaderDigest=CRC32C,None'], { header: true, data: false }],
    [['HeaderDigest=None', 'DataDigest=None,CRC32C'], { header: false, data: false }],
    [['HeaderDigest=CRC32C', 'DataDigest=CRC32C'], { header: true, data: true }],
  ])('of %j hold behind the answer to the login', (keys, digests) => {
    const initiator = new TestInitiator(makeTarget()).login(...keys);
    expect(initiator.kinds().slice(-2)).toEqual(['send', 'logged-in']);
    expect(initiator.effects.at(-1)).toEqual({ kind: 'logged-in', connection: 1, digests });
  });

  test('do not begin before the last request of the login', () => {
    const initiator = new TestInitiator(makeTarget());
    const names = ['InitiatorName=iqn.a', 'SessionType=Discovery', 'HeaderDigest=CRC32C'];
    initiator.send(initiator.loginPdu(0x04, text(...names)));
    expect(initiator.kinds()).toEqual(['send']);
    initiator.send(initiator.loginPdu(0x87, Buffer.alloc(0)));
    expect(initiator.kinds()).toEqual(['send', 'logged-in']);
  });

  test('cannot be changed in the full feature phase', () => {
    const initiator = loggedIn();
    const data = text('HeaderDigest=CRC32C', 'DataDigest=None');
    initiator.send(makePdu({ opcode: 0x44, words: { 20: 0xffffffff }, data }));
    expect(initiator.kinds()).toEqual(['send']);
    expect(initiator.only().data?.toString()).toBe('HeaderDigest=Reject\0DataDigest=Reject\0');
  });
});

describe('data digest error (RFC 7143 section 7.8)', () => {
  test('in immediate data rejects the command, which never runs, and ends the session', () => {
    const initiator = loggedIn();
    const before = initiator.cmdSN;
    const write = initiator.command({ write: 512, data: Buffer.alloc(512) });
    initiator.send(damaged(write));
    expect(initiator.kinds()).toEqual(['send', 'nexus-closed', 'close']);
    expectReject(initiator.only(), write);
    // Section 11.17.1: its CmdSN does not count as received.
    expect(initiator.only().header.readUInt32BE(28)).toBe(before);
  });

  test('in an immediate request rejects that, and the session lives on', () => {
    const initiator = loggedIn();
    const ping = makePdu({ opcode: 0x40, itt: 3, words: { 20: 0xffffffff }, data: text('ping') });
    initiator.send(damaged(ping));
    expect(initiator.kinds()).toEqual(['send']);
    expectReject(initiator.only(), ping);
    initiator.send(ping);
    expect(initiator.only().header[0]).toBe(0x20);
  });

  test('in solicited data fails the write, once all of its data is in', () => {
    const initiator = loggedIn('ImmediateData=No', 'MaxBurstLength=512', 'MaxOutstandingR2T=2');
    initiator.send(initiator.command({ write: 1024, itt: 9 }));
    const [one, two] = initiator.sent().map(({ header }) => header.readUInt32BE(20));
    const data = Buffer.alloc(512);
    const first = initiator.dataOut({ itt: 9, ttt: one as number, offset: 0, dataSN: 0, data });
    initiator.send(damaged(first));
    expectReject(initiator.only(), first);
    const last = initiator.dataOut({ itt: 9, ttt: two as number, offset: 512, dataSN: 0, data });
    initiator.send(last);
    expect(initiator.kinds()).toEqual(['send']);
    expect(senseOf(initiator.only())).toBe('b 4705');
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['execute']);
  });

  test('in unsolicited data fails the write, once the rest was asked for and came', () => {
    const initiator = loggedIn('InitialR2T=No', 'FirstBurstLength=512');
    initiator.send(initiator.command({ write: 1024, itt: 9, isFinal: false }));
    const data = Buffer.alloc(512);
    const first = initiator.dataOut({ itt: 9, offset: 0, dataSN: 0, data });
    initiator.send(damaged(first));
    const [reject, r2t] = initiator.sent();
    expectReject(reject as Sent, first);
    const ttt = r2t?.header.readUInt32BE(20) as number;
    initiator.send(initiator.dataOut({ itt: 9, ttt, offset: 512, dataSN: 0, data }));
    expect(initiator.kinds()).toEqual(['send']);
    expect(senseOf(initiator.only())).toBe('b 4705');
  });

  test('in the data of a write that was aborted meanwhile is rejected and nothing else', () => {
    const initiator = loggedIn('ImmediateData=No');
    initiator.send(initiator.command({ write: 512, itt: 9 }));
    const ttt = initiator.only().header.readUInt32BE(20);
    const late = { itt: 9, ttt, offset: 0, dataSN: 0, data: Buffer.alloc(512) };
    initiator.send(initiator.manage(1, { referencedTag: 9 }));
    const pdu = initiator.dataOut(late);
    initiator.send(damaged(pdu));
    expect(initiator.kinds()).toEqual(['send']);
    expectReject(initiator.only(), pdu);
  });
});
