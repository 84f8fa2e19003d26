import { MAX_RECV_DATA_SEGMENT_BYTES } from '../../../../controller/iscsi/limits.ts';
import {
  type Executed,
  makePdu,
  makeTarget,
  type Sent,
  TestInitiator,
  text,
} from '../../../support/initiator-pdus.ts';

/** Clauses of RFC 7143 that no other test of this folder shows, by their section. */

const UNKNOWN_OPCODE = 0x1c;

function loggedIn(...keys: string[]): TestInitiator {
  return new TestInitiator(makeTarget()).login(...keys);
}

function answersTo(...keys: string[]): string[] {
  const { data } = loggedIn(...keys).only();
  return (data as Buffer).toString().split('\0').slice(0, -1);
}

function textPdu(data: Buffer, cmdSN?: number) {
  const opcode = cmdSN === undefined ? 0x44 : 0x04;
  return makePdu({ opcode, itt: 8, words: { 20: 0xffffffff, 24: cmdSN ?? 0 }, data });
}

function expCmdSN({ header }: Sent): number {
  return header.readUInt32BE(28);
}

describe('11.17.1: the CmdSN of a rejected request does not count as received', () => {
  function rejected(): { initiator: TestInitiator; cmdSN: number } {
    const initiator = loggedIn();
    const cmdSN = initiator.takeCmdSN();
    initiator.send(makePdu({ opcode: UNKNOWN_OPCODE, words: { 24: cmdSN } }));
    expect(initiator.only().header.toString('hex', 0, 3)).toBe('3f8005');
    expect(expCmdSN(initiator.only())).toBe(cmdSN);
    return { initiator, cmdSN };
  }

  test('so it may come again in a request that is right', () => {
    const { initiator, cmdSN } = rejected();
    initiator.cmdSN = cmdSN;
    initiator.send(initiator.command({ read: 512 }));
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['execute']);
  });

  test('and is passed over when the initiator goes on behind it', () => {
    const { initiator, cmdSN } = rejected();
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['execute']);
    initiator.done((initiator.executed()[0] as Executed).task);
    expect(expCmdSN(initiator.only())).toBe(cmdSN + 2);
  });

  test('and two of them too, but nothing beyond', () => {
    const { initiator, cmdSN } = rejected();
    initiator.send(makePdu({ opcode: UNKNOWN_OPCODE, words: { 24: initiator.takeCmdSN() } }));
    expect(expCmdSN(initiator.only())).toBe(cmdSN + 1);
    initiator.takeCmdSN();
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['nexus-closed', 'close']);
  });

  test('11.6.1: an abort that names it as RefCmdSN fills the gap', () => {
    const { initiator, cmdSN } = rejected();
    const abort = initiator.manage(1, { referencedTag: 99 });
    abort.header.writeUInt32BE(cmdSN, 32);
    initiator.send(abort);
    expect(initiator.only().header[2]).toBe(0);
    expect(expCmdSN(initiator.only())).toBe(cmdSN + 1);
    initiator.send(abort);
    expect(initiator.only().header[2]).toBe(1);
  });

  test('unless it was immediate and had none', () => {
    const initiator = loggedIn();
    const before = initiator.cmdSN;
    initiator.send(makePdu({ opcode: UNKNOWN_OPCODE | 0x40, words: { 24: before } }));
    expect(expCmdSN(initiator.only())).toBe(before);
    initiator.cmdSN = before + 1;
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['nexus-closed', 'close']);
  });
});

describe('6.3: a key is negotiated once', () => {
  test('in a text exchange, which is otherwise rejected and changes nothing', () => {
    const initiator = loggedIn('MaxRecvDataSegmentLength=8192');
    const keys = ['MaxRecvDataSegmentLength=512', 'MaxRecvDataSegmentLength=1024'];
    initiator.send(textPdu(text(...keys)));
    expect(initiator.only().header.toString('hex', 0, 3)).toBe('3f8004');
    initiator.send(initiator.command({ read: 8192 }));
    const { task } = initiator.executed()[0] as Executed;
    initiator.done(task, { dataIn: Buffer.alloc(8192), transferBytes: 8192 });
    expect(initiator.sent()).toHaveLength(1);
  });

  test('and again in the next exchange, where the last value counts', () => {
    const initiator = loggedIn();
    for (const length of [512, 4096]) {
      initiator.send(textPdu(text(`MaxRecvDataSegmentLength=${length}`)));
      expect(initiator.only().data).toHaveLength(0);
    }
    initiator.send(initiator.command({ read: 8192 }));
    const { task } = initiator.executed()[0] as Executed;
    initiator.done(task, { dataIn: Buffer.alloc(8192), transferBytes: 8192 });
    expect(initiator.sent()).toHaveLength(2);
  });
});

describe('13: what was agreed is what happens', () => {
  test('13.12: both sides declare MaxRecvDataSegmentLength, neither answers it', () => {
    const answers = answersTo('MaxRecvDataSegmentLength=65536');
    expect(answers).toContain(`MaxRecvDataSegmentLength=${MAX_RECV_DATA_SEGMENT_BYTES}`);
    expect(answers.filter((pair) => pair.startsWith('MaxRecv'))).toHaveLength(1);
  });

  test.each([
    [['MaxBurstLength=4096', 'FirstBurstLength=65536'], 'FirstBurstLength=4096'],
    [['FirstBurstLength=65536'], 'FirstBurstLength=65536'],
    [['FirstBurstLength=1048576'], 'FirstBurstLength=262144'],
  ])('13.14: of %j, FirstBurstLength is at most MaxBurstLength', (keys, answer) => {
    expect(answersTo(...keys)).toContain(answer);
  });

  test('13.10 and 13.11: unsolicited data needs no immediate data', () => {
    const initiator = loggedIn('InitialR2T=No', 'ImmediateData=No');
    initiator.send(initiator.command({ write: 1024, itt: 3, isFinal: false }));
    expect(initiator.effects).toEqual([]);
    initiator.send(initiator.dataOut({ itt: 3, offset: 0, dataSN: 0, data: Buffer.alloc(1024) }));
    expect(initiator.kinds()).toEqual(['execute']);
  });

  test('13.10: an F bit ends unsolicited data early, and R2T asks for the rest', () => {
    const initiator = loggedIn('InitialR2T=No');
    initiator.send(initiator.command({ write: 2048, itt: 3, isFinal: false }));
    initiator.send(initiator.dataOut({ itt: 3, offset: 0, dataSN: 0, data: Buffer.alloc(512) }));
    const { header } = initiator.only();
    expect([header[0], header.readUInt32BE(40), header.readUInt32BE(44)]).toEqual([
      0x31, 512, 1536,
    ]);
  });

  test('13.17: one R2T at a time unless more were agreed', () => {
    const initiator = loggedIn('ImmediateData=No', 'MaxBurstLength=512');
    initiator.send(initiator.command({ write: 1536, itt: 3 }));
    for (let offset = 0; offset < 1024; offset += 512) {
      const { header } = initiator.only();
      expect([header[0], header.readUInt32BE(36)]).toEqual([0x31, offset / 512]);
      const ttt = header.readUInt32BE(20);
      initiator.send(
        initiator.dataOut({ itt: 3, ttt, offset, dataSN: 0, data: Buffer.alloc(512) }),
      );
    }
    expect(initiator.only().header.readUInt32BE(40)).toBe(1024);
  });

  test('13.18 and 13.19: data is in order, whatever the initiator would allow', () => {
    const keys = ['DataPDUInOrder=No', 'DataSequenceInOrder=No'];
    expect(answersTo(...keys)).toEqual(
      expect.arrayContaining(['DataPDUInOrder=Yes', 'DataSequenceInOrder=Yes']),
    );
    const initiator = loggedIn(...keys, 'MaxRecvDataSegmentLength=512', 'MaxBurstLength=1024');
    initiator.send(initiator.command({ read: 3072 }));
    const { task } = initiator.executed()[0] as Executed;
    initiator.done(task, { dataIn: Buffer.alloc(3072), transferBytes: 3072 });
    const offsets = initiator.sent().map(({ header }) => header.readUInt32BE(40));
    expect(offsets).toEqual([0, 512, 1024, 1536, 2048, 2560]);
  });

  test('13.15, 13.16 and 13.20: recovery level 0, nothing to wait for, nothing retained', () => {
    const keys = ['ErrorRecoveryLevel=2', 'DefaultTime2Wait=0', 'DefaultTime2Retain=60'];
    expect(answersTo(...keys)).toEqual(
      expect.arrayContaining([
        'ErrorRecoveryLevel=0',
        'DefaultTime2Wait=0',
        'DefaultTime2Retain=0',
      ]),
    );
    const initiator = loggedIn(...keys);
    initiator.send(makePdu({ opcode: 0x46, flags: 0x80, itt: 5 }));
    expect(initiator.only().header.readUInt32BE(40)).toBe(0);
  });

  test('13.23: tasks end as RFC 3720 has it, the other ways are not offered', () => {
    expect(answersTo('TaskReporting=ResponseFence,RFC3720')).toContain('TaskReporting=RFC3720');
    expect(answersTo('TaskReporting=FastAbort')).toContain('TaskReporting=Reject');
  });

  test.each([
    ['X-com.example.fast=1', 'X-com.example.fast=NotUnderstood'],
    ['X#speed=1', 'X#speed=NotUnderstood'],
    ['Speed=11', 'Speed=NotUnderstood'],
    ['MaxBurstLength=4k', 'MaxBurstLength=Reject'],
    ['MaxBurstLength=0x', 'MaxBurstLength=Reject'],
    ['MaxBurstLength=', 'MaxBurstLength=Reject'],
    ['InitialR2T=no', 'InitialR2T=Reject'],
    ['MaxConnections=65536', 'MaxConnections=Reject'],
    ['ErrorRecoveryLevel=3', 'ErrorRecoveryLevel=Reject'],
    ['DefaultTime2Wait=3601', 'DefaultTime2Wait=Reject'],
  ])('6.2: %s does not end the login', (offer, answer) => {
    expect(answersTo(offer)).toContain(answer);
  });
});

describe('11.16: SNACK', () => {
  test.each([0, 1, 2, 3])(
    'of type %i is rejected at recovery level 0, and takes no CmdSN',
    (type) => {
      const initiator = loggedIn();
      const snack = makePdu({ opcode: 0x10, flags: 0x80 | type, words: { 24: 0x7777 } });
      initiator.send(snack);
      expect(initiator.kinds()).toEqual(['send']);
      expect(initiator.only().header.toString('hex', 0, 3)).toBe('3f8003');
      expect(expCmdSN(initiator.only())).toBe(initiator.cmdSN);
    },
  );
});

describe('11.9: a request to log out', () => {
  test('is numbered as a response, and the session works until it logs out', () => {
    const initiator = loggedIn();
    const statSN = initiator.only().header.readUInt32BE(24);
    initiator.step({ kind: 'shutdown', nowMs: 0 });
    const { header } = initiator.only();
    expect([header.readUInt32BE(16), header.readUInt32BE(24)]).toEqual([0xffffffff, statSN + 1]);
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['execute']);
    initiator.send(makePdu({ opcode: 0x46, flags: 0x80, itt: 5 }));
    expect(initiator.kinds()).toEqual(['cancel', 'nexus-closed', 'send', 'close']);
  });
});
