import { RESERVATION_TYPE } from '../../../../controller/scsi/reservations/state.ts';
import { Cluster, hex, makeOut, portOf, wordOf } from './cluster.ts';

const WE = RESERVATION_TYPE.WRITE_EXCLUSIVE;
const EA = RESERVATION_TYPE.EXCLUSIVE_ACCESS;
const EAAR = RESERVATION_TYPE.EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
const WRITE: [string, Buffer] = ['2a 00 00000000 00 0001', Buffer.alloc(512)];
const LOST = '07/44/01';
const NOT_READY = '02/04/00';

/** a and b are registered with keys 1 and 2, to persist; a reserved. */
function persistent(type: number): Cluster {
  const cluster = new Cluster();
  cluster.register('a', 1, true);
  cluster.register('b', 2, true);
  expect(cluster.out('a', 'RESERVE', { key: 1, type })).toBe('good');
  return cluster;
}

const storesOf = ({ operations }: Cluster) =>
  operations.filter((operation) => operation.kind === 'store').length;

describe('APTPL (SPC-4 clause 5.13.5)', () => {
  test.each([WE, EA, EAAR])(
    'keeps registrations and a reservation of type %i over a takeover',
    (type) => {
      const cluster = persistent(type);
      cluster.restart();
      expect(cluster.ask('c', ...WRITE)).toBe('conflict');
      expect(cluster.ask('a', ...WRITE)).toBe('good');
      expect(cluster.keys()).toEqual([1, 2]);
      expect(cluster.reservation()).toBe(`${type === EAAR ? 0 : 1}/${type}`);
      expect(cluster.generation()).toBe(0);
    },
  );

  test('stores every change from then on', () => {
    const cluster = persistent(WE);
    cluster.out('a', 'RELEASE', { key: 1, type: WE });
    cluster.out('b', 'PREEMPT', { key: 2, sark: 1 });
    cluster.restart();
    expect([cluster.keys(), cluster.reservation()]).toEqual([[2], 'none']);
    cluster.out('b', 'CLEAR', { key: 2 });
    cluster.restart();
    expect(cluster.keys()).toEqual([]);
  });

  test('is that of the last registration: turned off, nothing is left of what was stored', () => {
    const cluster = persistent(WE);
    cluster.register('c', 3, false);
    expect(cluster.attribute).toHaveLength(0);
    expect(cluster.keys()).toEqual([1, 2, 3]);
    cluster.restart();
    expect([cluster.keys(), cluster.reservation()]).toEqual([[], 'none']);
  });

  test('is not touched by actions that carry no such bit', () => {
    const cluster = persistent(WE);
    expect(cluster.out('a', 'RELEASE', { key: 1, type: WE, aptpl: false })).toBe('good');
    cluster.restart();
    expect(cluster.keys()).toEqual([1, 2]);
  });

  test('without it nothing is stored at all', () => {
    const cluster = new Cluster();
    cluster.register('a', 1);
    cluster.out('a', 'RESERVE', { key: 1, type: WE });
    cluster.out('a', 'CLEAR', { key: 1 });
    expect(storesOf(cluster)).toBe(0);
  });

  test('what changes nothing stores nothing', () => {
    const cluster = persistent(WE);
    const before = storesOf(cluster);
    cluster.out('a', 'RESERVE', { key: 1, type: WE });
    cluster.out('b', 'RELEASE', { key: 2, type: WE });
    cluster.out('c', 'CLEAR', { key: 9 });
    cluster.out('b', 'RESERVE', { key: 2, type: WE });
    expect(storesOf(cluster)).toBe(before);
  });
});

describe('a change that cannot be stored', () => {
  test.each([
    ['NOT_READY', NOT_READY],
    ['IO_FAILED', '04/44/00'],
  ] as const)(
    '%s fails with %s and changes nothing, and the next one may succeed',
    (failure, word) => {
      const cluster = persistent(WE);
      cluster.failure = failure;
      expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 1, type: WE })).toBe(word);
      expect([cluster.keys(), cluster.reservation()]).toEqual([[1, 2], `1/${WE}`]);
      expect(cluster.attentions('a')).toEqual([]);
      expect(cluster.generation()).toBe(2);
      cluster.failure = undefined;
      expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 1, type: WE })).toBe('good');
      expect(cluster.keys()).toEqual([2]);
    },
  );

  test('counts for nobody until it is stored', () => {
    const cluster = persistent(EA);
    const preemption = cluster.startOut('b', 'PREEMPT', { key: 2, sark: 1, type: EA });
    expect(wordOf(cluster.outcomes.get(cluster.start('a', ...WRITE))!)).toBe('good');
    expect(cluster.outcomes.has(preemption)).toBe(false);
    cluster.settle();
    expect(wordOf(cluster.outcomes.get(preemption)!)).toBe('good');
    expect(cluster.ask('a', ...WRITE)).toBe('conflict');
  });
});

describe('changes at the same time', () => {
  test('are made one after the other, each with what the one before left', () => {
    const cluster = persistent(EA);
    const first = cluster.startOut('b', 'PREEMPT', { key: 2, sark: 1, type: EA });
    const second = cluster.startOut('a', 'RELEASE', { key: 1, type: EA });
    const third = cluster.startOut('c', 'REGISTER', { sark: 3, aptpl: true });
    const stores = storesOf(cluster);
    cluster.settle();
    expect(storesOf(cluster)).toBe(stores + 1);
    const wordAt = (task: number) => wordOf(cluster.outcomes.get(task)!);
    // a is preempted before its release is looked at.
    expect([first, second, third].map(wordAt)).toEqual(['good', 'conflict', 'good']);
    expect(cluster.keys()).toEqual([2, 3]);
  });

  test('that are aborted while they wait never happen, and hold up nobody', () => {
    const cluster = persistent(EA);
    const first = cluster.startOut('a', 'RELEASE', { key: 1, type: EA });
    const second = cluster.startOut('b', 'CLEAR', { key: 2 });
    const third = cluster.startOut('c', 'REGISTER', { sark: 3, aptpl: true });
    cluster.abort(second);
    expect(cluster.outcomes.get(second)?.status).toBe(0x40);
    cluster.settle();
    expect([first, third].map((task) => cluster.outcomes.get(task)?.status)).toEqual([0, 0]);
    expect(cluster.keys()).toEqual([1, 2, 3]);
  });

  test('free the way when what they store is given up', () => {
    const cluster = persistent(EA);
    const first = cluster.startOut('a', 'RELEASE', { key: 1, type: EA });
    cluster.abort(first);
    expect(cluster.outcomes.get(first)?.status).toBe(0x40);
    expect(cluster.reservation()).toBe(`1/${EA}`);
    expect(cluster.out('a', 'RELEASE', { key: 1, type: EA })).toBe('good');
  });

  test('pass on one after the other, however many wait', () => {
    const cluster = persistent(EA);
    cluster.startOut('a', 'RELEASE', { key: 1, type: EA });
    const waiting = Array.from({ length: 20_000 }, () =>
      cluster.startOut('c', 'CLEAR', { key: 9 }),
    );
    cluster.settle();
    expect(waiting.every((task) => cluster.outcomes.get(task)?.status === 0x18)).toBe(true);
  });

  test('RESERVE(6) waits for a registration that is being stored, and conflicts with it', () => {
    const cluster = new Cluster();
    cluster.keys();
    const registration = cluster.startOut('a', 'REGISTER', { sark: 1, aptpl: true });
    const legacy = cluster.start('b', '16');
    expect(cluster.outcomes.has(legacy)).toBe(false);
    cluster.settle();
    expect(wordOf(cluster.outcomes.get(registration)!)).toBe('good');
    expect(wordOf(cluster.outcomes.get(legacy)!)).toBe('conflict');
  });
});

describe('loading what was stored', () => {
  const loading = () => {
    const cluster = persistent(EA);
    cluster.restart();
    return cluster;
  };

  test.each([
    '00',
    '12 00 00 00ff',
    '03 00 00 00ff',
    'a0 00 00 000000 00000010',
    '25',
    '1b 00 00 00 01',
    '1e',
  ])('%s does not wait for it', (cdb) => {
    const cluster = loading();
    expect(cluster.outcomes.get(cluster.start('c', cdb))?.status).toBe(0);
  });

  test('other commands wait, whoever was first to ask', () => {
    const cluster = loading();
    const tasks = [
      cluster.start('c', ...WRITE),
      cluster.start('a', ...WRITE),
      cluster.start('b', '16'),
    ];
    expect(tasks.some((task) => cluster.outcomes.has(task))).toBe(false);
    cluster.settle();
    expect(tasks.map((task) => wordOf(cluster.outcomes.get(task)!))).toEqual([
      'conflict',
      'good',
      'conflict',
    ]);
  });

  test('that comes too late does not undo a change made meanwhile', () => {
    const cluster = loading();
    const late = cluster.start('a', ...WRITE);
    const change = cluster.startOut('b', 'PREEMPT', { key: 2, sark: 1, type: EA });
    cluster.settle('newest');
    expect(wordOf(cluster.outcomes.get(change)!)).toBe('good');
    expect(wordOf(cluster.outcomes.get(late)!)).toBe('conflict');
    expect(cluster.keys()).toEqual([2]);
  });

  test('that fails fails the command, and the next one asks again', () => {
    const cluster = loading();
    cluster.failure = 'NOT_READY';
    expect(cluster.ask('a', ...WRITE)).toBe(NOT_READY);
    cluster.failure = undefined;
    expect([cluster.ask('c', ...WRITE), cluster.ask('a', ...WRITE)]).toEqual(['conflict', 'good']);
  });

  test('for a nexus that is gone meanwhile reserves nothing', () => {
    const cluster = new Cluster();
    cluster.start('a', '16');
    cluster.logout('a');
    cluster.settle();
    expect(cluster.ask('b', '16')).toBe('good');
  });

  test('for a command that was aborted meanwhile does nothing', () => {
    const cluster = new Cluster();
    const task = cluster.startOut('a', 'REGISTER', { sark: 1 });
    cluster.abort(task);
    expect(cluster.outcomes.get(task)?.status).toBe(0x40);
    expect(cluster.keys()).toEqual([]);
  });
});

describe('what was stored and cannot be read (SPC-4 clause 5.13.5.3)', () => {
  const broken = () => {
    const cluster = persistent(EA);
    cluster.attribute = Buffer.concat([cluster.attribute, Buffer.alloc(1)]);
    cluster.restart();
    return cluster;
  };

  test('lets nobody read, write or reserve, and says what to do', () => {
    const cluster = broken();
    for (const cdb of [
      '28 00 00000000 00 0001',
      '2a 00 00000000 00 0001',
      '00',
      '25',
      '16',
      '5e 00',
    ]) {
      cluster.ask('a', '28 00 00000000 00 0001');
      expect([cdb, cluster.ask('a', cdb, Buffer.alloc(512))]).toEqual([cdb, LOST]);
    }
    expect(cluster.out('a', 'REGISTER_AND_IGNORE_EXISTING_KEY', { sark: 1 })).toBe(LOST);
    expect(cluster.notices).toHaveLength(1);
    expect(cluster.notices[0]?.fields).toMatchObject({
      found: 'its CRC does not match',
      remedy: expect.stringContaining('--replace-lost'),
    });
  });

  test.each(['12 00 00 00ff', '03 00 00 00ff', 'a0 00 00 000000 00000010', '1b 00 00 00 01'])(
    '%s is answered all the same',
    (cdb) => {
      const cluster = broken();
      cluster.ask('a', ...WRITE);
      expect(cluster.ask('a', cdb)).toBe('good');
    },
  );

  test('is replaced by REPLACE LOST RESERVATION, which alone is registered then', () => {
    const cluster = broken();
    const replace = (options: object) =>
      cluster.out('c', 'REPLACE_LOST_RESERVATION', { type: WE, ...options });
    expect(replace({ key: 1, sark: 7 })).toBe('05/26/00');
    expect(replace({ sark: 0 })).toBe('05/26/00');
    expect(replace({ sark: 7, type: 2 })).toBe('05/24/00');
    expect(cluster.ask('c', ...WRITE)).toBe(LOST);
    expect(replace({ sark: 7, aptpl: true })).toBe('good');
    expect(cluster.notices[1]).toEqual({
      message: expect.stringContaining('replaced'),
      fields: { by: portOf('c'), type: WE },
    });
    expect([cluster.keys(), cluster.reservation(), cluster.generation()]).toEqual([
      [7],
      `7/${WE}`,
      0,
    ]);
    expect([cluster.ask('c', ...WRITE), cluster.ask('a', ...WRITE)]).toEqual(['good', 'conflict']);
    cluster.restart();
    expect(cluster.reservation()).toBe(`7/${WE}`);
  });

  test('is erased by a replacement that does not persist', () => {
    const cluster = broken();
    expect(cluster.out('c', 'REPLACE_LOST_RESERVATION', { sark: 7, type: WE })).toBe('good');
    expect(cluster.attribute).toHaveLength(0);
  });

  test('is not replaced when nothing was lost', () => {
    const cluster = persistent(WE);
    expect(cluster.out('a', 'REPLACE_LOST_RESERVATION', { sark: 7, type: WE })).toBe('05/26/04');
    expect(cluster.keys()).toEqual([1, 2]);
  });
});

test('64 registrations with the longest names fit what a volume keeps', () => {
  const cluster = new Cluster();
  const [, list] = makeOut('REGISTER', { sark: 1, ports: [], aptpl: true });
  const ids = Array.from({ length: 63 }, (_, index) => {
    const name = `iqn.2026-11.org.example:${'x'.repeat(199)},i,0x${hex(index, 12)}\0`;
    const id = Buffer.alloc(4 + Math.ceil(name.length / 4) * 4);
    id[0] = 0x45;
    id.writeUInt16BE(id.length - 4, 2);
    id.write(name, 4);
    return id;
  });
  const data = Buffer.concat([list, ...ids]);
  data.writeUInt32BE(data.length - 28, 24);
  expect(cluster.ask('a', `5f 00 00 0000 ${hex(data.length, 8)} 00`, data)).toBe('good');
  expect(cluster.attribute.length).toBeGreaterThan(63 * 249);
  expect(cluster.attribute.length).toBeLessThanOrEqual(32 * 1024);
  cluster.restart();
  expect(cluster.keys()).toHaveLength(64);
});
