import { RESERVATION_TYPE } from '../../../../controller/scsi/reservations/state.ts';
import { makeTransportId } from '../../../../controller/scsi/reservations/transport-id.ts';
import { Cluster, hex, portOf, reserved, wordOf } from './cluster.ts';

const WE = RESERVATION_TYPE.WRITE_EXCLUSIVE;
const EA = RESERVATION_TYPE.EXCLUSIVE_ACCESS;
const WERO = RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
const WEAR = RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS;
const EAAR = RESERVATION_TYPE.EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
const INVALID_CDB_FIELD = '05/24/00';
const READ = '28 00 00000000 00 0001';
const WRITE: [string, Buffer] = ['2a 00 00000000 00 0001', Buffer.alloc(512)];

describe('PERSISTENT RESERVE IN (SPC-4 clause 6.15)', () => {
  test('REPORT CAPABILITIES tells what there is, and whether it persists', () => {
    const cluster = new Cluster();
    const capabilities = () => cluster.send('a', '5e 02 0000000000 00ff 00').dataIn.toString('hex');
    expect(capabilities()).toBe('00089dc0ea010000');
    cluster.register('a', 1, true);
    expect(capabilities()).toBe('00089dc1ea010000');
  });

  test('cuts to the allocation length, and leaves the lengths inside', () => {
    const cluster = reserved(WE);
    const outcome = cluster.send('b', '5e 00 0000000000 0008 00');
    expect(outcome.dataIn).toEqual(Buffer.from('0000000200000010', 'hex'));
  });

  test('READ FULL STATUS names each registrant, and who of them holds', () => {
    const cluster = reserved(EA);
    const status = cluster.send('c', '5e 03 0000000000 ffff 00').dataIn;
    expect(status.readUInt32BE(4)).toBe(status.length - 8);
    const bytes = status.readUInt32BE(8 + 20);
    const first = status.subarray(8, 8 + 24 + bytes);
    const second = status.subarray(8 + first.length);
    expect(first.subarray(0, 24).toString('hex')).toBe(
      `0000000000000001000000000103000000000001${hex(bytes, 8)}`,
    );
    expect(first.subarray(24)).toEqual(makeTransportId(portOf('a')));
    expect(second.subarray(0, 20).toString('hex')).toBe('0000000000000002000000000000000000000001');
    expect(second.subarray(24)).toEqual(makeTransportId(portOf('b')));
  });

  test('READ FULL STATUS of a reservation of all shows every registrant as holder', () => {
    const status = reserved(WEAR).send('c', '5e 03 0000000000 ffff 00').dataIn;
    const length = 24 + status.readUInt32BE(8 + 20);
    expect([status[8 + 12], status[8 + 13]]).toEqual([1, WEAR]);
    expect([status[8 + length + 12], status[8 + length + 13]]).toEqual([1, WEAR]);
  });

  test.each(['5e 04', '5e 1f', '5f 09', '5f 1f'])('%s is no service action', (action) => {
    expect(new Cluster().ask('a', `${action} 0000000000 ffff 00`)).toBe(INVALID_CDB_FIELD);
  });
});

describe('reservations and nexuses', () => {
  test('a registration and a reservation survive logout, and the port finds them again', () => {
    const cluster = reserved(EA);
    cluster.logout('a');
    expect(cluster.ask('b', READ)).toBe('conflict');
    cluster.login('a');
    expect(cluster.ask('a', ...WRITE)).toBe('good');
    expect(cluster.out('a', 'RELEASE', { key: 1, type: EA })).toBe('good');
  });

  test('they survive resets, and go with a controller when nothing persists', () => {
    const cluster = reserved(EA);
    cluster.device.logicalUnitReset();
    cluster.device.powerLost();
    for (const host of ['a', 'b', 'c'] as const) cluster.attentions(host);
    expect([cluster.keys(), cluster.reservation()]).toEqual([[1, 2], `1/${EA}`]);
    cluster.restart();
    expect([cluster.keys(), cluster.reservation(), cluster.generation()]).toEqual([[], 'none', 0]);
  });

  test('a conflict leaves a unit attention pending', () => {
    const cluster = reserved(EA);
    cluster.device.logicalUnitReset();
    expect(cluster.ask('b', ...WRITE)).toBe('conflict');
    expect(cluster.attentions('b')).toEqual(['06/29/03']);
  });

  test('nobody is told twice, or for a port that is not there', () => {
    const cluster = reserved(WERO);
    cluster.logout('b');
    expect(cluster.out('a', 'CLEAR', { key: 1 })).toBe('good');
    cluster.login('b');
    expect(cluster.attentions('b')).toEqual([]);
  });
});

describe('RESERVE(6) and RELEASE(6) (SPC-2 clause 5.5.1)', () => {
  test.each([
    ['16', '17'],
    ['56', '57'],
  ])('%s reserves for one nexus until %s', (reserve, release) => {
    const cluster = new Cluster();
    expect([cluster.ask('a', reserve), cluster.ask('a', reserve)]).toEqual(['good', 'good']);
    expect(cluster.ask('b', reserve)).toBe('conflict');
    expect([cluster.ask('b', READ), cluster.ask('b', '00')]).toEqual(['conflict', 'conflict']);
    expect([cluster.ask('b', '12 00 00 00ff'), cluster.ask('b', '25')]).toEqual(['good', 'good']);
    expect(cluster.ask('a', READ)).toBe('good');
    expect(cluster.ask('b', release)).toBe('good');
    expect(cluster.ask('b', READ)).toBe('conflict');
    expect(cluster.ask('a', release)).toBe('good');
    expect(cluster.ask('b', reserve)).toBe('good');
  });

  test('ends with its nexus and with a reset', () => {
    const cluster = new Cluster();
    cluster.ask('a', '16');
    cluster.logout('a');
    expect(cluster.ask('b', '16')).toBe('good');
    cluster.device.logicalUnitReset();
    expect([cluster.attentions('c'), cluster.ask('c', '16')]).toEqual([['06/29/03'], 'good']);
  });

  test.each(['16 10', '16 01', '17 1e', '56 02', '57 10'])('%s asks for too much', (cdb) => {
    expect(new Cluster().ask('a', cdb)).toBe(INVALID_CDB_FIELD);
  });

  test('keeps everybody from persistent reservations, its holder too', () => {
    const cluster = new Cluster();
    cluster.ask('a', '16');
    for (const host of ['a', 'b'] as const) {
      expect(cluster.out(host, 'REGISTER', { sark: 1 })).toBe('conflict');
      expect(cluster.ask(host, '5e 00 0000000000 00ff 00')).toBe('conflict');
    }
  });

  test('conflicts while somebody is registered', () => {
    const cluster = new Cluster();
    cluster.register('a', 1);
    for (const host of ['a', 'b'] as const) {
      expect([cluster.ask(host, '16'), cluster.ask(host, '17')]).toEqual(['conflict', 'conflict']);
    }
  });

  test.each([
    [WE, 'good', 'conflict'],
    [EA, 'good', 'conflict'],
    [WERO, 'good', 'good'],
    [EAAR, 'good', 'good'],
  ])(
    'under type %i is %s for the holder and %s for a registrant, without effect (CRH)',
    (type, holder, registrant) => {
      const cluster = reserved(type);
      for (const cdb of ['16', '17']) {
        expect([cluster.ask('a', cdb), cluster.ask('b', cdb)]).toEqual([holder, registrant]);
        expect(cluster.ask('c', cdb)).toBe('conflict');
      }
      expect(cluster.ask('a', ...WRITE)).toBe('good');
      expect(cluster.reservation()).not.toBe('none');
    },
  );
});

test('what a command that is refused counts as moved is nothing', () => {
  const outcome = reserved(EA).send('b', READ);
  expect([wordOf(outcome), outcome.transferBytes, outcome.dataIn.length]).toEqual([
    'conflict',
    0,
    0,
  ]);
});
