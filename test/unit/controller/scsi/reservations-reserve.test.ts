import { RESERVATION_TYPE } from '../../../../controller/scsi/reservations/state.ts';
import { Cluster, reserved } from './cluster.ts';

const WE = RESERVATION_TYPE.WRITE_EXCLUSIVE;
const EA = RESERVATION_TYPE.EXCLUSIVE_ACCESS;
const WERO = RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
const EARO = RESERVATION_TYPE.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY;
const WEAR = RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS;
const EAAR = RESERVATION_TYPE.EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
const RESERVATIONS_PREEMPTED = '06/2a/03';
const RESERVATIONS_RELEASED = '06/2a/04';
const REGISTRATIONS_PREEMPTED = '06/2a/05';
const COMMANDS_CLEARED = '06/2f/00';
const INVALID_CDB_FIELD = '05/24/00';
const INVALID_LIST_FIELD = '05/26/00';
const INVALID_RELEASE = '05/26/04';
const WRITE: [string, Buffer] = ['2a 00 00000000 00 0001', Buffer.alloc(512)];

describe('RESERVE (SPC-4 clause 5.13.9)', () => {
  test('wants a registration and its key', () => {
    const cluster = new Cluster();
    expect(cluster.out('a', 'RESERVE', { type: WE })).toBe('conflict');
    cluster.register('a', 1);
    expect(cluster.out('a', 'RESERVE', { key: 2, type: WE })).toBe('conflict');
    expect(cluster.reservation()).toBe('none');
  });

  test('refuses types and scopes that there are none of', () => {
    const cluster = new Cluster();
    cluster.register('a', 1);
    for (const type of [0, 2, 4, 9, 0x11, 0x23]) {
      expect(cluster.out('a', 'RESERVE', { key: 1, type })).toBe(INVALID_CDB_FIELD);
    }
    expect(cluster.generation()).toBe(1);
  });

  test('succeeds again with the same type, and conflicts with another or from another', () => {
    const cluster = reserved(WE);
    expect(cluster.out('a', 'RESERVE', { key: 1, type: WE })).toBe('good');
    expect(cluster.out('a', 'RESERVE', { key: 1, type: EA })).toBe('conflict');
    expect(cluster.out('b', 'RESERVE', { key: 2, type: WE })).toBe('conflict');
    expect([cluster.reservation(), cluster.generation()]).toEqual([`1/${WE}`, 2]);
  });

  test('of all registrants is held by each of them, under key 0', () => {
    const cluster = reserved(WEAR);
    expect(cluster.reservation()).toBe(`0/${WEAR}`);
    expect(cluster.out('b', 'RESERVE', { key: 2, type: WEAR })).toBe('good');
    cluster.register('c', 3);
    expect(cluster.out('c', 'RELEASE', { key: 3, type: WEAR })).toBe('good');
    expect(cluster.reservation()).toBe('none');
  });
});

describe('RELEASE (SPC-4 clause 5.13.11.2.2)', () => {
  test.each([
    [WE, []],
    [EA, []],
    [WERO, [RESERVATIONS_RELEASED]],
    [EARO, [RESERVATIONS_RELEASED]],
    [WEAR, [RESERVATIONS_RELEASED]],
    [EAAR, [RESERVATIONS_RELEASED]],
  ])('of type %i tells the other registrants %j', (type, told) => {
    const cluster = reserved(type);
    expect(cluster.out('a', 'RELEASE', { key: 1, type })).toBe('good');
    expect([cluster.reservation(), cluster.keys()]).toEqual(['none', [1, 2]]);
    expect([cluster.attentions('a'), cluster.attentions('c')]).toEqual([[], []]);
    expect(cluster.attentions('b')).toEqual(told);
    expect(cluster.generation()).toBe(2);
  });

  test('with another type or scope is an error of the holder', () => {
    const cluster = reserved(WE);
    expect(cluster.out('a', 'RELEASE', { key: 1, type: EA })).toBe(INVALID_RELEASE);
    expect(cluster.out('a', 'RELEASE', { key: 1, type: 0x10 | WE })).toBe(INVALID_RELEASE);
    expect(cluster.reservation()).toBe(`1/${WE}`);
  });

  test('by another registrant, or of nothing, succeeds and releases nothing', () => {
    const cluster = reserved(WE);
    expect(cluster.out('b', 'RELEASE', { key: 2, type: WE })).toBe('good');
    expect(cluster.reservation()).toBe(`1/${WE}`);
    expect(cluster.out('a', 'RELEASE', { key: 1, type: WE })).toBe('good');
    expect(cluster.out('a', 'RELEASE', { key: 1, type: WE })).toBe('good');
    expect(cluster.out('c', 'RELEASE', { type: WE })).toBe('conflict');
    expect(cluster.out('b', 'RELEASE', { key: 1, type: WE })).toBe('conflict');
  });
});

describe('CLEAR (SPC-4 clause 5.13.11.2.7)', () => {
  test('removes everything and tells the other registrants', () => {
    const cluster = reserved(EA);
    expect(cluster.out('c', 'CLEAR', {})).toBe('conflict');
    expect(cluster.out('b', 'CLEAR', { key: 1 })).toBe('conflict');
    expect(cluster.out('b', 'CLEAR', { key: 2 })).toBe('good');
    expect([cluster.keys(), cluster.reservation(), cluster.generation()]).toEqual([[], 'none', 3]);
    expect(cluster.attentions('a')).toEqual([RESERVATIONS_PREEMPTED]);
    expect([cluster.attentions('b'), cluster.attentions('c')]).toEqual([[], []]);
  });
});

describe('PREEMPT (SPC-4 clause 5.13.11.2.4)', () => {
  test('of the holder takes over and removes all with its key', () => {
    const cluster = reserved(WE);
    cluster.register('c', 1);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 1, type: WE })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[2], `2/${WE}`]);
    expect(cluster.attentions('a')).toEqual([REGISTRATIONS_PREEMPTED]);
    expect(cluster.attentions('c')).toEqual([REGISTRATIONS_PREEMPTED]);
    expect(cluster.attentions('b')).toEqual([]);
    expect(cluster.ask('a', ...WRITE)).toBe('conflict');
    expect(cluster.aborts).toEqual([]);
  });

  test('with another type tells who stays registered', () => {
    const cluster = reserved(WERO);
    cluster.register('c', 3);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 1, type: EARO })).toBe('good');
    expect(cluster.attentions('c')).toEqual([RESERVATIONS_RELEASED]);
    expect(cluster.attentions('b')).toEqual([]);
    expect(cluster.reservation()).toBe(`2/${EARO}`);
  });

  test('of oneself keeps the registration and changes the type', () => {
    const cluster = reserved(WE);
    expect(cluster.out('a', 'PREEMPT', { key: 1, sark: 1, type: EAAR })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[1, 2], `0/${EAAR}`]);
    expect([cluster.attentions('a'), cluster.attentions('b')]).toEqual([
      [],
      [RESERVATIONS_RELEASED],
    ]);
  });

  test('wants a type only when it takes over', () => {
    const cluster = reserved(WE);
    cluster.register('c', 3);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 1, type: 0 })).toBe(INVALID_CDB_FIELD);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 1, type: 0x20 | WE })).toBe(
      INVALID_CDB_FIELD,
    );
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 3, type: 0xff })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[1, 2], `1/${WE}`]);
    expect(cluster.attentions('c')).toEqual([REGISTRATIONS_PREEMPTED]);
  });

  test('of who holds nothing removes registrations, without a reservation too', () => {
    const cluster = new Cluster();
    for (const [index, host] of (['a', 'b', 'c'] as const).entries()) {
      cluster.register(host, index === 2 ? 2 : index + 1);
    }
    expect(cluster.out('a', 'PREEMPT', { key: 1, sark: 2 })).toBe('good');
    expect([cluster.keys(), cluster.generation()]).toEqual([[1], 4]);
    expect(cluster.attentions('b')).toEqual([REGISTRATIONS_PREEMPTED]);
    expect(cluster.attentions('c')).toEqual([REGISTRATIONS_PREEMPTED]);
  });

  test('of the own key, without holding anything, removes oneself and is not told', () => {
    const cluster = reserved(WE);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 2, type: WE })).toBe('good');
    expect([cluster.keys(), cluster.attentions('b')]).toEqual([[1], []]);
  });

  test('of a key that nobody has is a conflict, and key 0 an error', () => {
    const cluster = reserved(WE);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 9, type: WE })).toBe('conflict');
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 0, type: WE })).toBe(INVALID_LIST_FIELD);
    expect(cluster.out('c', 'PREEMPT', { sark: 1, type: WE })).toBe('conflict');
    expect(cluster.out('b', 'PREEMPT', { key: 1, sark: 1, type: WE })).toBe('conflict');
    expect([cluster.keys(), cluster.generation()]).toEqual([[1, 2], 2]);
  });

  test('of key 0 takes over from all registrants', () => {
    const cluster = reserved(WEAR);
    cluster.register('c', 3);
    expect(cluster.out('c', 'PREEMPT', { key: 3, sark: 0, type: EA })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[3], `3/${EA}`]);
    expect(cluster.attentions('a')).toEqual([REGISTRATIONS_PREEMPTED]);
    expect(cluster.attentions('c')).toEqual([]);
  });

  test('of a key removes registrants of a reservation of all, and the last one ends it', () => {
    const cluster = reserved(WEAR);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 1, type: EA })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[2], `0/${WEAR}`]);
    expect(cluster.out('b', 'PREEMPT', { key: 2, sark: 2, type: EA })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[], 'none']);
  });
});

describe('PREEMPT AND ABORT (SPC-4 clause 5.13.11.2.6)', () => {
  test('aborts the tasks of all preempted nexuses, and tells those that lost some', () => {
    const cluster = reserved(WE);
    cluster.register('c', 1);
    cluster.busy = ['a'];
    expect(cluster.out('b', 'PREEMPT_AND_ABORT', { key: 2, sark: 1, type: WE })).toBe('good');
    expect(cluster.aborts).toEqual([[cluster.nexusOf('a'), cluster.nexusOf('c')]]);
    expect(cluster.attentions('a')).toEqual([REGISTRATIONS_PREEMPTED, COMMANDS_CLEARED]);
    expect(cluster.attentions('c')).toEqual([REGISTRATIONS_PREEMPTED]);
  });

  test('aborts nothing of ports that are logged out, or of a conflict', () => {
    const cluster = reserved(WE);
    expect(cluster.out('b', 'PREEMPT_AND_ABORT', { key: 2, sark: 9, type: WE })).toBe('conflict');
    cluster.login('d');
    cluster.register('d', 4);
    cluster.logout('d');
    expect(cluster.out('b', 'PREEMPT_AND_ABORT', { key: 2, sark: 4, type: WE })).toBe('good');
    expect(cluster.aborts).toEqual([]);
  });

  test('of the own key aborts the own other tasks without an attention', () => {
    const cluster = reserved(WE);
    cluster.busy = ['b'];
    expect(cluster.out('b', 'PREEMPT_AND_ABORT', { key: 2, sark: 2, type: WE })).toBe('good');
    expect(cluster.aborts).toEqual([[cluster.nexusOf('b')]]);
    expect(cluster.attentions('b')).toEqual([]);
  });
});
