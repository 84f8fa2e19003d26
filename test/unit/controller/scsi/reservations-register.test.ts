import { RESERVATION_TYPE } from '../../../../controller/scsi/reservations/state.ts';
import { makeTransportId } from '../../../../controller/scsi/reservations/transport-id.ts';
import { Cluster, hex, makeOut, portOf, reserved } from './cluster.ts';

const WE = RESERVATION_TYPE.WRITE_EXCLUSIVE;
const EA = RESERVATION_TYPE.EXCLUSIVE_ACCESS;
const WERO = RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
const EARO = RESERVATION_TYPE.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY;
const WEAR = RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS;
const EAAR = RESERVATION_TYPE.EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
const RESERVATIONS_RELEASED = '06/2a/04';
const INVALID_CDB_FIELD = '05/24/00';
const INVALID_LIST_FIELD = '05/26/00';
const LIST_LENGTH_ERROR = '05/1a/00';
const NO_ROOM = '05/55/04';
const WRITE: [string, Buffer] = ['2a 00 00000000 00 0001', Buffer.alloc(512)];

describe('REGISTER (SPC-4 table 67)', () => {
  test('of an unregistered nexus wants reservation key 0', () => {
    const cluster = new Cluster();
    expect(cluster.out('a', 'REGISTER', { key: 5, sark: 1 })).toBe('conflict');
    expect(cluster.out('a', 'REGISTER', { sark: 1 })).toBe('good');
    expect([cluster.keys(), cluster.generation()]).toEqual([[1], 1]);
  });

  test('of key 0 for key 0 does nothing', () => {
    const cluster = new Cluster();
    expect(cluster.out('a', 'REGISTER', { aptpl: true })).toBe('good');
    expect([cluster.keys(), cluster.generation(), cluster.attribute.length]).toEqual([[], 0, 0]);
  });

  test('of a registered nexus changes or removes its key, when it knows it', () => {
    const cluster = new Cluster();
    cluster.register('a', 1);
    expect(cluster.out('a', 'REGISTER', { key: 2, sark: 3 })).toBe('conflict');
    expect(cluster.out('a', 'REGISTER', { key: 1, sark: 3 })).toBe('good');
    expect(cluster.keys()).toEqual([3]);
    expect(cluster.out('a', 'REGISTER', { key: 3, sark: 0 })).toBe('good');
    expect([cluster.keys(), cluster.generation()]).toEqual([[], 3]);
  });

  test('leaves other registrations with the same key alone', () => {
    const cluster = new Cluster();
    cluster.register('a', 1);
    cluster.register('b', 1);
    expect(cluster.out('a', 'REGISTER', { key: 1, sark: 7 })).toBe('good');
    expect(cluster.keys()).toEqual([7, 1]);
  });

  test('changes the key of a holder without touching its reservation (5.13.7)', () => {
    const cluster = reserved(WE);
    expect(cluster.out('a', 'REGISTER', { key: 1, sark: 9 })).toBe('good');
    expect(cluster.reservation()).toBe(`9/${WE}`);
    expect(cluster.ask('b', ...WRITE)).toBe('conflict');
  });

  test('is allowed to everybody under every reservation (table 66)', () => {
    const cluster = reserved(EA);
    expect(cluster.out('c', 'REGISTER', { sark: 3 })).toBe('good');
    expect(cluster.keys()).toEqual([1, 2, 3]);
  });

  test('with SPEC_I_PT registers ports that may not be logged in', () => {
    const cluster = new Cluster(['a', 'b']);
    expect(cluster.out('a', 'REGISTER', { sark: 4, ports: ['b', 'd'] })).toBe('good');
    expect(cluster.keys()).toEqual([4, 4, 4]);
    cluster.login('d');
    expect(cluster.out('d', 'RESERVE', { key: 4, type: WE })).toBe('good');
  });

  test('with SPEC_I_PT registers nobody when one of the ports is registered, or the sender is', () => {
    const cluster = new Cluster();
    cluster.register('b', 2);
    expect(cluster.out('a', 'REGISTER', { sark: 4, ports: ['c', 'b'] })).toBe(INVALID_LIST_FIELD);
    expect(cluster.out('a', 'REGISTER', { sark: 4, ports: ['a'] })).toBe(INVALID_LIST_FIELD);
    expect(cluster.keys()).toEqual([2]);
    expect(cluster.out('b', 'REGISTER', { key: 2, sark: 4, ports: [] })).toBe(INVALID_LIST_FIELD);
  });

  test('with ALL_TG_PT registers at the only target port', () => {
    const cluster = new Cluster();
    expect(cluster.out('a', 'REGISTER', { sark: 1, allTargetPorts: true })).toBe('good');
    expect(cluster.keys()).toEqual([1]);
  });

  test('has room for 64 nexuses', () => {
    const cluster = new Cluster();
    cluster.register('a', 1);
    const many = Array.from({ length: 63 }, (_, index) =>
      makeTransportId(`iqn.2026-11.org.example:many,i,0x${hex(index, 12)}`),
    );
    const [, list] = makeOut('REGISTER', { sark: 8, ports: [] });
    const fill = (ids: Buffer[]) => {
      const data = Buffer.concat([list, ...ids]);
      data.writeUInt32BE(data.length - 28, 24);
      return cluster.ask('b', `5f 00 00 0000 ${hex(data.length, 8)} 00`, data);
    };
    expect(fill(many)).toBe(NO_ROOM);
    expect(cluster.keys()).toEqual([1]);
    expect(fill(many.slice(1))).toBe('good');
    expect(cluster.keys()).toHaveLength(64);
    expect(cluster.out('c', 'REGISTER', { sark: 3 })).toBe(NO_ROOM);
    expect(cluster.out('c', 'REGISTER_AND_IGNORE_EXISTING_KEY', { sark: 3 })).toBe(NO_ROOM);
    expect(cluster.out('b', 'REGISTER', { key: 8, sark: 9 })).toBe('good');
  });
});

describe('REGISTER AND IGNORE EXISTING KEY (SPC-4 table 68)', () => {
  test('registers, changes and removes whatever the key was', () => {
    const cluster = new Cluster();
    const ignore = (sark: number) =>
      cluster.out('a', 'REGISTER_AND_IGNORE_EXISTING_KEY', { key: 77, sark });
    expect([ignore(0), cluster.generation()]).toEqual(['good', 0]);
    expect([ignore(1), cluster.keys()]).toEqual(['good', [1]]);
    expect([ignore(2), cluster.keys()]).toEqual(['good', [2]]);
    expect([ignore(0), cluster.keys()]).toEqual(['good', []]);
  });

  test('refuses SPEC_I_PT', () => {
    const cluster = new Cluster();
    const word = cluster.out('a', 'REGISTER_AND_IGNORE_EXISTING_KEY', { sark: 1, ports: ['b'] });
    expect([word, cluster.keys()]).toEqual([INVALID_LIST_FIELD, []]);
  });
});

describe('unregistering (SPC-4 clause 5.13.11.2.3)', () => {
  test.each([
    [WE, 'none', []],
    [EA, 'none', []],
    [WERO, 'none', [RESERVATIONS_RELEASED]],
    [EARO, 'none', [RESERVATIONS_RELEASED]],
    [WEAR, `0/${WEAR}`, []],
    [EAAR, `0/${EAAR}`, []],
  ])('of who reserved with type %i leaves %s and tells the others %j', (type, left, told) => {
    const cluster = reserved(type);
    expect(cluster.out('a', 'REGISTER', { key: 1, sark: 0 })).toBe('good');
    expect([cluster.reservation(), cluster.keys()]).toEqual([left, [2]]);
    expect([cluster.attentions('a'), cluster.attentions('b')]).toEqual([[], told]);
  });

  test('of the last registrant ends a reservation of all of them', () => {
    const cluster = reserved(EAAR);
    cluster.out('a', 'REGISTER', { key: 1, sark: 0 });
    cluster.out('b', 'REGISTER', { key: 2, sark: 0 });
    expect(cluster.reservation()).toBe('none');
    expect(cluster.ask('c', ...WRITE)).toBe('good');
  });

  test('of who holds nothing leaves the reservation', () => {
    const cluster = reserved(EARO);
    cluster.out('b', 'REGISTER', { key: 2, sark: 0 });
    expect(cluster.reservation()).toBe(`1/${EARO}`);
    expect(cluster.attentions('a')).toEqual([]);
  });
});

describe('REGISTER AND MOVE (SPC-4 clause 5.13.8, table 70)', () => {
  const toB = makeTransportId(portOf('b'));
  const toD = makeTransportId(portOf('d'));

  test('moves the reservation to a port, registered or not', () => {
    const cluster = reserved(WE);
    expect(cluster.move('a', toD, { key: 1, sark: 4 })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[1, 2, 4], `4/${WE}`]);
    expect([cluster.ask('a', ...WRITE), cluster.generation()]).toEqual(['conflict', 3]);
    cluster.login('d');
    expect(cluster.ask('d', ...WRITE)).toBe('good');
    expect(cluster.move('d', toB, { key: 4, sark: 8, isUnregistering: true })).toBe('good');
    expect([cluster.keys(), cluster.reservation()]).toEqual([[1, 8], `8/${WE}`]);
  });

  test('conflicts from who is not registered, knows no key, holds nothing, or holds with all', () => {
    const cluster = reserved(WE);
    expect(cluster.move('c', toD, { key: 0, sark: 4 })).toBe('conflict');
    expect(cluster.move('a', toD, { key: 9, sark: 4 })).toBe('conflict');
    expect(cluster.move('b', toD, { key: 2, sark: 4 })).toBe('conflict');
    expect(reserved(EAAR).move('a', toD, { key: 1, sark: 4 })).toBe('conflict');
    expect(cluster.keys()).toEqual([1, 2]);
  });

  test('refuses key 0, itself as the destination, another target port, no reservation', () => {
    const cluster = reserved(WE);
    const self = makeTransportId(portOf('a'));
    expect(cluster.move('a', toD, { key: 1, sark: 0 })).toBe(INVALID_LIST_FIELD);
    expect(cluster.move('a', self, { key: 1, sark: 4 })).toBe(INVALID_LIST_FIELD);
    expect(cluster.move('a', toD, { key: 1, sark: 4, targetPort: 2 })).toBe(INVALID_LIST_FIELD);
    expect(cluster.move('a', toD.subarray(0, 20), { key: 1, sark: 4 })).toBe(INVALID_LIST_FIELD);
    expect(cluster.move('a', Buffer.alloc(0), { key: 1, sark: 4 })).toBe(INVALID_LIST_FIELD);
    const none = new Cluster();
    none.register('a', 1);
    expect(none.move('a', toD, { key: 1, sark: 4 })).toBe(INVALID_CDB_FIELD);
  });
});

describe('parameter list of PERSISTENT RESERVE OUT (SPC-4 clause 6.16)', () => {
  const [cdb, list] = makeOut('REGISTER', { sark: 1 });

  test.each([0, 8, 23, 25, 28, 0xffffff])('of %i bytes is an error of its length', (bytes) => {
    const cluster = new Cluster();
    const cut = cdb.replace(/0000 [0-9a-f]{8}/, `0000 ${hex(bytes, 8)}`);
    expect(cluster.ask('a', cut, Buffer.alloc(64))).toBe(LIST_LENGTH_ERROR);
    expect(cluster.keys()).toEqual([]);
  });

  test('that was not sent in full is one too', () => {
    expect(new Cluster().ask('a', cdb, list.subarray(0, 23))).toBe(LIST_LENGTH_ERROR);
  });

  test('with TransportIDs that are cut off, or of nothing that is iSCSI, is an error', () => {
    const cluster = new Cluster();
    const [longCdb, whole] = makeOut('REGISTER', { sark: 1, ports: ['b', 'c'] });
    const patched = (at: number, value: number, bytes = whole) => {
      const copy = Buffer.from(bytes);
      copy[at] = value;
      return copy;
    };
    expect(cluster.ask('a', longCdb, patched(27, 0xff))).toBe(LIST_LENGTH_ERROR);
    expect(cluster.ask('a', longCdb, patched(27, whole[27]! - 4))).toBe(INVALID_LIST_FIELD);
    expect(cluster.ask('a', longCdb, patched(28, 0x05))).toBe(INVALID_LIST_FIELD);
    expect(cluster.ask('a', longCdb, patched(28, 0x46))).toBe(INVALID_LIST_FIELD);
    expect(cluster.ask('a', longCdb, patched(31, 0xff))).toBe(INVALID_LIST_FIELD);
    expect(cluster.keys()).toEqual([]);
    expect(cluster.ask('a', longCdb, whole)).toBe('good');
  });
});
