import { PING_LIMIT_MS } from '../../../../controller/iscsi/limits.ts';
import {
  type Executed,
  INITIATOR_NAME,
  makePdu,
  makeTarget,
  TARGET_NAME,
  TestInitiator,
  text,
} from '../../../support/initiator-pdus.ts';

function discovering(): TestInitiator {
  const names = [`InitiatorName=${INITIATOR_NAME}`, 'SessionType=Discovery'];
  return new TestInitiator(makeTarget()).loginAs(names);
}

function textPdu(data: Buffer, fields: { flags?: number; ttt?: number } = {}) {
  return makePdu({
    opcode: 0x44,
    flags: fields.flags ?? 0x80,
    itt: 8,
    words: { 20: fields.ttt ?? 0xffffffff },
    data,
  });
}

function answered(initiator: TestInitiator): string[] {
  return (initiator.only().data as Buffer).toString().split('\0').slice(0, -1);
}

describe('session reinstatement', () => {
  test('ends the old session before the new login is answered', () => {
    const target = makeTarget();
    const old = new TestInitiator(target, 1).login();
    old.send(old.command({ write: 512, itt: 1 }));
    old.send(old.command({ read: 512, itt: 2 }));
    const { task } = old.executed()[0] as Executed;
    const fresh = new TestInitiator(target, 2).login();
    const atOnce = ['cancel', 'nexus-closed', 'close', 'nexus-opened', 'send', 'logged-in'];
    expect(fresh.kinds()).toEqual(atOnce);
    expect(fresh.effects[0]).toEqual({ kind: 'cancel', task });
    expect(fresh.effects[2]).toMatchObject({ connection: 1 });
    expect(target.sessionCount()).toBe(1);
    expect(old.done(task, { dataIn: Buffer.alloc(512), transferBytes: 512 })).toEqual([]);
    expect(old.send(old.command({ read: 512 }))).toEqual([]);
    expect(old.step({ kind: 'closed', connection: 1, nowMs: 0 })).toEqual([]);
    expect(target.sessionCount()).toBe(1);
  });

  test('leaves another port of the same initiator alone', () => {
    const target = makeTarget();
    new TestInitiator(target, 1).login();
    const names = [`InitiatorName=${INITIATOR_NAME}`, `TargetName=${TARGET_NAME}`];
    new TestInitiator(target, 2).loginAs(names, [], { 12: 1 });
    expect(target.sessionCount()).toBe(2);
  });

  test('is not what a discovery session does', () => {
    const target = makeTarget();
    new TestInitiator(target, 1).login();
    const names = [`InitiatorName=${INITIATOR_NAME}`, 'SessionType=Discovery'];
    new TestInitiator(target, 2).loginAs(names);
    expect(target.sessionCount()).toBe(2);
  });
});

describe('connection', () => {
  test('that is lost ends its session and cancels its tasks', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(initiator.command({ read: 512 }));
    const { task } = initiator.executed()[0] as Executed;
    initiator.step({ kind: 'closed', connection: 1, nowMs: 0 });
    expect(initiator.effects).toEqual([
      { kind: 'cancel', task },
      { kind: 'nexus-closed', nexus: 1 },
    ]);
    expect(initiator.done(task)).toEqual([]);
  });

  test('that is silent is pinged once, and closed when no answer comes', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    expect(initiator.step({ kind: 'tick', nowMs: 9_999 })).toEqual([]);
    initiator.step({ kind: 'tick', nowMs: 10_000 });
    const { header } = initiator.only();
    expect([header[0], header.readUInt32BE(16)]).toEqual([0x20, 0xffffffff]);
    expect(header.readUInt32BE(20)).not.toBe(0xffffffff);
    const endMs = 10_000 + PING_LIMIT_MS;
    expect(initiator.step({ kind: 'tick', nowMs: endMs - 1 })).toEqual([]);
    initiator.step({ kind: 'tick', nowMs: endMs });
    expect(initiator.kinds()).toEqual(['nexus-closed', 'close']);
  });

  test('is asked first, however long this process stood still', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.step({ kind: 'tick', nowMs: 3_600_000 });
    expect(initiator.only().header[0]).toBe(0x20);
    const endMs = 3_600_000 + PING_LIMIT_MS;
    expect(initiator.step({ kind: 'tick', nowMs: endMs - 1 })).toEqual([]);
    initiator.step({ kind: 'tick', nowMs: endMs });
    expect(initiator.kinds()).toEqual(['nexus-closed', 'close']);
  });

  test('that answers a ping lives on, and the answer has no answer', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.step({ kind: 'tick', nowMs: 10_000 });
    const ttt = initiator.only().header.readUInt32BE(20);
    initiator.nowMs = 10_500;
    const answer = makePdu({ opcode: 0x40, itt: 0xffffffff, words: { 20: ttt } });
    expect(initiator.send(answer)).toEqual([]);
    expect(initiator.step({ kind: 'tick', nowMs: 20_400 })).toEqual([]);
    initiator.step({ kind: 'tick', nowMs: 20_500 });
    expect(initiator.only().header[0]).toBe(0x20);
  });
});

describe('NOP-Out', () => {
  test('is echoed, as far as the initiator can take it', () => {
    const initiator = new TestInitiator(makeTarget()).login('MaxRecvDataSegmentLength=512');
    const data = Buffer.alloc(600, 'x');
    initiator.send(makePdu({ opcode: 0x40, itt: 3, words: { 20: 0xffffffff }, data }));
    const sent = initiator.only();
    expect(sent.header.toString('hex', 0, 8)).toBe('2080000000000200');
    expect([sent.header.readUInt32BE(16), sent.header.readUInt32BE(20)]).toEqual([3, 0xffffffff]);
    expect(sent.data).toHaveLength(512);
  });

  test('that is not immediate takes a CmdSN, and each answer a StatSN', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    const statSN = initiator.only().header.readUInt32BE(24);
    const ping = makePdu({ opcode: 0x00, itt: 3, words: { 24: initiator.takeCmdSN() } });
    initiator.send(ping);
    expect(initiator.only().header.readUInt32BE(24)).toBe(statSN + 1);
    expect(initiator.only().header.readUInt32BE(28)).toBe(101);
    expect(initiator.send(ping)).toEqual([]);
  });
});

describe('logout', () => {
  const logout = (reason: number, cid = 0) =>
    makePdu({ opcode: 0x46, flags: 0x80 | reason, itt: 5, bytes: { 21: cid } });

  test('of the session ends it before the answer, then closes', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(initiator.command({ read: 512 }));
    initiator.send(logout(0));
    expect(initiator.kinds()).toEqual(['cancel', 'nexus-closed', 'send', 'close']);
    expect(initiator.only().header.toString('hex', 0, 3)).toBe('268000');
    expect(initiator.target.sessionCount()).toBe(0);
  });

  test('of the connection is the same', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(logout(1));
    expect(initiator.kinds()).toEqual(['nexus-closed', 'send', 'close']);
  });

  test.each([
    ['another connection', 1, 9, 1],
    ['recovery', 2, 0, 2],
  ])('for %s is refused', (_, reason, cid, expected) => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(logout(reason, cid));
    expect(initiator.kinds()).toEqual(['send']);
    expect(initiator.only().header[2]).toBe(expected);
  });
});

describe('shutdown', () => {
  test('asks sessions to log out, closes the rest and takes no new connection', () => {
    const target = makeTarget();
    const initiator = new TestInitiator(target, 1).login();
    new TestInitiator(target, 2);
    initiator.step({ kind: 'shutdown', nowMs: 0 });
    expect(initiator.kinds()).toEqual(['send', 'close']);
    const { header } = initiator.only();
    expect([header[0], header[36], header.readUInt16BE(42)]).toEqual([0x32, 1, 10]);
    expect(new TestInitiator(target, 3).kinds()).toEqual(['close']);
  });
});

describe('discovery session', () => {
  test('is told of the target by SendTargets=All', () => {
    const initiator = discovering();
    expect(initiator.kinds()).toEqual(['send', 'logged-in']);
    initiator.send(textPdu(text('SendTargets=All')));
    expect(initiator.only().header.toString('hex', 0, 2)).toBe('2480');
    expect(initiator.only().header.readUInt32BE(20)).toBe(0xffffffff);
    expect(answered(initiator)).toEqual([
      `TargetName=${TARGET_NAME}`,
      'TargetAddress=127.0.1.1:3260,1',
    ]);
  });

  test('is told nothing of a target that is not here', () => {
    const initiator = discovering();
    initiator.send(textPdu(text('SendTargets=iqn.x:y')));
    expect(initiator.only().data).toHaveLength(0);
  });

  test('may not send commands', () => {
    const initiator = discovering();
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.only().header.toString('hex', 0, 3)).toBe('3f8005');
  });

  test('is closed after a minute without a word', () => {
    const initiator = discovering();
    expect(initiator.step({ kind: 'tick', nowMs: 59_999 })).toEqual([]);
    initiator.step({ kind: 'tick', nowMs: 60_000 });
    expect(initiator.kinds()).toEqual(['close']);
  });
});

describe('text request', () => {
  test('in a normal session tells its own target only', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(textPdu(text('SendTargets=')));
    expect(answered(initiator)).toHaveLength(2);
    initiator.send(textPdu(text('SendTargets=All')));
    expect(answered(initiator)).toEqual(['SendTargets=Reject']);
  });

  test('changes the data segment length for what is sent afterwards', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(textPdu(text('MaxRecvDataSegmentLength=512', 'MaxBurstLength=512')));
    expect(answered(initiator)).toEqual(['MaxBurstLength=Reject']);
    initiator.send(initiator.command({ read: 1024 }));
    const { task } = initiator.executed()[0] as Executed;
    initiator.done(task, { dataIn: Buffer.alloc(1024), transferBytes: 1024 });
    expect(initiator.sent()).toHaveLength(2);
  });

  test('may come in several PDUs and be answered in several', () => {
    const initiator = new TestInitiator(makeTarget()).login('MaxRecvDataSegmentLength=512');
    const keys = Array.from({ length: 30 }, (_, index) => `X-key-${index}=1`);
    const whole = text(...keys);
    initiator.send(textPdu(whole.subarray(0, 100), { flags: 0x40 }));
    expect(initiator.only().header[1]).toBe(0);
    let ttt = initiator.only().header.readUInt32BE(20);
    initiator.send(textPdu(whole.subarray(100), { ttt }));
    expect(initiator.only().header[1]).toBe(0x40);
    const first = initiator.only().data as Buffer;
    ttt = initiator.only().header.readUInt32BE(20);
    initiator.send(textPdu(Buffer.alloc(0), { ttt }));
    expect(initiator.only().header[1]).toBe(0x80);
    const all = Buffer.concat([first, initiator.only().data as Buffer]).toString();
    expect(all.split('\0').slice(0, -1)).toEqual(
      keys.map((key) => key.replace('=1', '=NotUnderstood')),
    );
  });

  test('with a tag that is not open is rejected', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(textPdu(text('SendTargets='), { ttt: 5 }));
    expect(initiator.only().header.toString('hex', 0, 3)).toBe('3f8009');
  });
});

describe('full feature phase', () => {
  test.each([
    ['SNACK', 0x10, '03'],
    ['an unknown opcode', 0x1f | 0x40, '05'],
    ['a login request', 0x43, '04'],
  ])('rejects %s', (_, opcode, reason) => {
    const initiator = new TestInitiator(makeTarget()).login();
    const pdu = makePdu({ opcode });
    initiator.send(pdu);
    expect(initiator.only().header.toString('hex', 0, 3)).toBe(`3f80${reason}`);
    expect(initiator.only().data).toBe(pdu.header);
  });
});
