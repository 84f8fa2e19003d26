import {
  FIRST_BURST_BYTES,
  MAX_LOGINS,
  MAX_LOGINS_PER_ADDRESS,
  MAX_SESSIONS,
  MAX_SESSIONS_PER_ADDRESS,
  MAX_SESSIONS_PER_INITIATOR,
  QUEUE_DEPTH,
  SOLICITED_BYTES_PER_SESSION,
  WRITE_BYTES,
  WRITE_BYTES_PER_ADDRESS,
} from '../../../../controller/iscsi/limits.ts';
import type { IscsiTarget } from '../../../../controller/iscsi/target.ts';
import {
  makePdu,
  makeTarget,
  TARGET_NAME,
  TestInitiator,
  text,
} from '../../../support/initiator-pdus.ts';

const OUT_OF_RESOURCES = 0x0302;
const MIB = 1024 * 1024;

/** Many initiators of one target: each has a name, a port (ISID) and an address. */
class Crowd {
  readonly target: IscsiTarget = makeTarget();
  nowMs = 0;
  #lastConnection = 0;

  open(address: string): TestInitiator {
    this.#lastConnection += 1;
    const peer = `${address}:${1000 + this.#lastConnection}`;
    return new TestInitiator(this.target, this.#lastConnection, { peer, nowMs: this.nowMs });
  }

  /** Returns the initiator and the status of its login. */
  tryLogin(who: { name: string; port: number; address: string; isDiscovery?: boolean }) {
    const initiator = this.open(who.address);
    const names = [`InitiatorName=iqn.2026-01.com.example:${who.name}`];
    names.push(who.isDiscovery ? 'SessionType=Discovery' : `TargetName=${TARGET_NAME}`);
    initiator.send(
      initiator.loginPdu(0x87, text(...names), { 12: who.port >> 8, 13: who.port & 255 }),
    );
    const answer = initiator.sent().find(({ header }) => header[0] === 0x23);
    return { initiator, status: answer?.header.readUInt16BE(36) };
  }

  login(who: {
    name: string;
    port: number;
    address: string;
    isDiscovery?: boolean;
  }): TestInitiator {
    const { initiator, status } = this.tryLogin(who);
    expect(status).toBe(0);
    return initiator;
  }

  tick(nowMs: number): TestInitiator {
    this.nowMs = nowMs;
    const anyone = new TestInitiator(this.target, 0);
    anyone.step({ kind: 'tick', nowMs });
    return anyone;
  }

  answerPing(initiator: TestInitiator): void {
    initiator.nowMs = this.nowMs;
    initiator.send(makePdu({ opcode: 0x40, itt: 0xffffffff }));
  }
}

function closed(initiator: TestInitiator): number[] {
  return initiator.effects.flatMap((effect) =>
    effect.kind === 'close' ? [effect.connection] : [],
  );
}

function pinged(initiator: TestInitiator): number[] {
  return initiator
    .sent()
    .flatMap(({ connection, header }) => (header[0] === 0x20 ? [connection] : []));
}

describe('connections that do not log in', () => {
  test('of one address are few, and its oldest gives way', () => {
    const crowd = new Crowd();
    const other = crowd.open('10.0.0.9');
    for (let count = 0; count < MAX_LOGINS_PER_ADDRESS; count += 1) {
      expect(crowd.open('10.0.0.1').effects).toEqual([]);
    }
    expect(closed(crowd.open('10.0.0.1'))).toEqual([other.connection + 1]);
    expect(closed(crowd.open('10.0.0.1'))).toEqual([other.connection + 2]);
    other.login();
    expect(crowd.target.sessionCount()).toBe(1);
  });

  test('of many addresses keep nobody out: who has most of them gives way', () => {
    const crowd = new Crowd();
    const first = crowd.open('10.0.9.9');
    const greedy = crowd.open('10.0.0.0').connection;
    crowd.open('10.0.0.0');
    for (let count = 3; count < MAX_LOGINS; count += 1) crowd.open(`10.0.0.${count}`);
    expect(closed(crowd.open('10.0.1.1'))).toEqual([greedy]);
    first.login();
    expect(crowd.target.sessionCount()).toBe(1);
  });

  test('give way among themselves, never for a session', () => {
    const crowd = new Crowd();
    crowd.login({ name: 'a', port: 1, address: '10.0.0.1' });
    for (let count = 0; count < 500; count += 1) {
      const effects = crowd.open(`10.0.${count % 7}.1`).effects;
      expect(effects.every(({ kind }) => kind === 'close')).toBe(true);
    }
    expect(crowd.target.sessionCount()).toBe(1);
  });
});

describe('sessions', () => {
  test.each([
    ['one initiator', MAX_SESSIONS_PER_INITIATOR, () => ['a', '10.0.0.1']],
    ['one address', MAX_SESSIONS_PER_ADDRESS, (count: number) => [`a${count}`, '10.0.0.1']],
    ['all', MAX_SESSIONS, (count: number) => [`a${count}`, `10.0.0.${count}`]],
  ] as [string, number, (count: number) => [string, string]][])(
    'of %s are at most %i, those of others and one that comes back are not concerned',
    (which, limit, who) => {
      const crowd = new Crowd();
      for (let port = 1; port <= limit; port += 1) {
        const [name, address] = who(port);
        crowd.login({ name, port, address });
      }
      const [name, address] = who(limit + 1);
      const late = { name, port: limit + 1, address };
      expect(crowd.tryLogin(late).status).toBe(OUT_OF_RESOURCES);
      const [oldName, oldAddress] = who(5);
      expect(crowd.tryLogin({ name: oldName, port: 5, address: oldAddress }).status).toBe(0);
      const other = { name: 'b', port: 1, address: '10.9.9.9' };
      expect(crowd.tryLogin(other).status).toBe(which === 'all' ? OUT_OF_RESOURCES : 0);
    },
  );

  test('that are dead make room: asked at once, given up after 3 seconds of silence', () => {
    const crowd = new Crowd();
    const sessions = Array.from({ length: MAX_SESSIONS }, (_, index) =>
      crowd.login({ name: `a${index}`, port: 1, address: `10.0.0.${index}` }),
    );
    const late = { name: 'late', port: 1, address: '10.9.9.9' };
    crowd.nowMs = 999;
    expect(pinged(crowd.tryLogin(late).initiator)).toEqual([]);
    crowd.nowMs = 1_000;
    const refused = crowd.tryLogin(late);
    expect(refused.status).toBe(OUT_OF_RESOURCES);
    expect(pinged(refused.initiator)).toEqual(sessions.map(({ connection }) => connection));
    crowd.nowMs = 1_100;
    const alive = sessions.filter((_, index) => index !== 17);
    for (const session of alive) crowd.answerPing(session);
    crowd.nowMs = 3_999;
    expect(crowd.tryLogin(late).status).toBe(OUT_OF_RESOURCES);
    for (const session of alive) crowd.answerPing(session);
    crowd.nowMs = 4_000;
    const welcome = crowd.tryLogin(late);
    expect(welcome.status).toBe(0);
    expect(closed(welcome.initiator)).toEqual([sessions[17]?.connection]);
    expect(crowd.target.sessionCount()).toBe(MAX_SESSIONS);
  });

  test('of a full house that is dead are replaced one by one without waiting again', () => {
    const crowd = new Crowd();
    for (let index = 0; index < MAX_SESSIONS; index += 1) {
      crowd.login({ name: `a${index}`, port: 1, address: `10.0.0.${index}` });
    }
    expect(crowd.tick(10_000).sent()).toHaveLength(MAX_SESSIONS);
    crowd.nowMs = 13_000;
    for (let index = 0; index < MAX_SESSIONS; index += 1) {
      crowd.login({ name: `b${index}`, port: 1, address: `10.1.0.${index}` });
    }
    expect(crowd.target.sessionCount()).toBe(MAX_SESSIONS);
  });

  test('for discovery give way once they are quiet', () => {
    const crowd = new Crowd();
    for (let port = 1; port <= MAX_SESSIONS_PER_INITIATOR; port += 1) {
      crowd.login({ name: 'a', port, address: '10.0.0.1', isDiscovery: true });
    }
    const late = { name: 'a', port: 99, address: '10.0.0.1' };
    expect(crowd.tryLogin(late).status).toBe(OUT_OF_RESOURCES);
    crowd.nowMs = 1_000;
    const welcome = crowd.tryLogin(late);
    expect([welcome.status, closed(welcome.initiator)]).toEqual([0, [1]]);
  });

  test('that are dead are reinstated at once by the same initiator port', () => {
    const crowd = new Crowd();
    const who = { name: 'a', port: 1, address: '10.0.0.1' };
    const dead = crowd.login(who);
    dead.send(dead.command({ write: 4096 }));
    const back = crowd.login(who);
    expect(back.kinds().slice(0, 2)).toEqual(['nexus-closed', 'close']);
    expect(crowd.target.sessionCount()).toBe(1);
  });
});

describe('data of writes', () => {
  const KEYS = ['InitialR2T=No', `FirstBurstLength=${FIRST_BURST_BYTES}`, 'MaxOutstandingR2T=8'];

  function writer(target: IscsiTarget, id: number, address: string): TestInitiator {
    const names = [`InitiatorName=iqn.a${id}`, `TargetName=${TARGET_NAME}`];
    return new TestInitiator(target, id, { peer: `${address}:1` }).loginAs(names, KEYS);
  }

  /** Announces writes whose unsolicited data never comes. */
  function fill(initiator: TestInitiator, bytes: number): void {
    for (let held = 0; held < bytes; held += FIRST_BURST_BYTES) {
      initiator.send(initiator.command({ write: FIRST_BURST_BYTES, isFinal: false }));
      expect(initiator.effects).toEqual([]);
    }
  }

  test('of one session have room for a full window, and as much again by R2T', () => {
    const initiator = writer(makeTarget(), 1, '10.0.0.1');
    fill(initiator, QUEUE_DEPTH * FIRST_BURST_BYTES);
    expect(QUEUE_DEPTH * FIRST_BURST_BYTES + SOLICITED_BYTES_PER_SESSION).toBe(64 * MIB);
  });

  test('beyond the room of their address are answered TASK SET FULL, or BUSY if alone', () => {
    const target = makeTarget();
    const greedy = [1, 2, 3, 4].map((id) => writer(target, id, '10.0.0.1'));
    for (const initiator of greedy.slice(0, 3)) fill(initiator, 32 * MIB);
    const last = greedy[3] as TestInitiator;
    fill(last, WRITE_BYTES_PER_ADDRESS - 96 * MIB - FIRST_BURST_BYTES);
    const odd = last.command({ write: FIRST_BURST_BYTES, isFinal: false, itt: 77 });
    last.send(odd);
    expect(last.effects).toEqual([]);
    const neighbour = writer(target, 5, '10.0.0.1');
    const data = Buffer.alloc(512);
    neighbour.send(neighbour.command({ write: 512, data }));
    expect(neighbour.only().header[3]).toBe(0x08);
    // A session of the same address goes on once the greedy one is gone.
    greedy[0]?.step({ kind: 'closed', connection: 1, nowMs: 0 });
    neighbour.send(neighbour.command({ write: 512, data }));
    expect(neighbour.kinds()).toEqual(['execute']);
    // One of another address never noticed.
    const other = writer(target, 6, '10.0.0.2');
    fill(other, 32 * MIB);
  });

  test('that wait for room are asked for when others are done, also of another session', () => {
    const target = makeTarget();
    const greedy = [1, 2, 3, 4].map((id) => writer(target, id, '10.0.0.1'));
    for (const initiator of greedy.slice(0, 3)) fill(initiator, 32 * MIB);
    const last = greedy[3] as TestInitiator;
    fill(last, 31 * MIB);
    const waiting = writer(target, 5, '10.0.0.1');
    expect(waiting.send(waiting.command({ write: 2 * MIB, itt: 9 }))).toEqual([]);
    const [first] = greedy as [TestInitiator];
    first.step({ kind: 'closed', connection: 1, nowMs: 0 });
    const asked = first.sent().filter(({ header }) => header[0] === 0x31);
    expect(asked.map(({ connection }) => connection)).toEqual(Array(8).fill(5));
  });

  test('give back their room however they end', () => {
    const target = makeTarget();
    for (let round = 0; round < 2 * (WRITE_BYTES / FIRST_BURST_BYTES); round += 1) {
      const initiator = writer(target, 1 + round, '10.0.0.1');
      const data = Buffer.alloc(1024);
      initiator.send(initiator.command({ write: FIRST_BURST_BYTES, isFinal: false, itt: 1 }));
      initiator.send(initiator.manage(1, { referencedTag: 1 }));
      initiator.send(initiator.command({ write: FIRST_BURST_BYTES, isFinal: false, itt: 2 }));
      initiator.send(initiator.dataOut({ itt: 2, offset: 5, dataSN: 0, data }));
      initiator.send(initiator.command({ write: 1024, data }));
      initiator.done(initiator.executed()[0]?.task as number);
      initiator.send(initiator.command({ write: FIRST_BURST_BYTES, isFinal: false, itt: 3 }));
      expect(initiator.effects).toEqual([]);
      initiator.step({ kind: 'closed', connection: 1 + round, nowMs: 0 });
    }
  });
});
