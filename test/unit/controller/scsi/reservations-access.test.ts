import { COMMANDS } from '../../../../controller/scsi/command-table.ts';
import { OPCODE } from '../../../../controller/scsi/opcode.ts';
import { ACCESS, accessOf } from '../../../../controller/scsi/reservations/access.ts';
import { RESERVATION_TYPE } from '../../../../controller/scsi/reservations/state.ts';
import { Cluster, hex } from './cluster.ts';

const { WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS } = RESERVATION_TYPE;
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(OPCODE).map(([name, opcode]) => [opcode, name]),
);

/** One row of the tables of SPC-4 5.13.1 and SBC-4 4.17, with RESERVE and RELEASE as this device does them. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  always: ['INQUIRY', 'REPORT_LUNS', 'REQUEST_SENSE', 'LOG_SENSE', 'MAINTENANCE_IN/a'],
  report: ['READ_CAPACITY_10', 'SERVICE_ACTION_IN_16/10', 'PREVENT_ALLOW_MEDIUM_REMOVAL'],
  status: ['TEST_UNIT_READY', 'RECEIVE_COPY_RESULTS'],
  reserve: ['RESERVE_6', 'RESERVE_10', 'PERSISTENT_RESERVE_IN', 'PERSISTENT_RESERVE_OUT'],
  release: ['RELEASE_6', 'RELEASE_10'],
  replaceLost: ['PERSISTENT_RESERVE_OUT/8'],
  read: [
    ...['READ_6', 'READ_10', 'READ_12', 'READ_16', 'VERIFY_10', 'VERIFY_12', 'VERIFY_16'],
    ...['PRE_FETCH_10', 'PRE_FETCH_16', 'MODE_SENSE_6', 'MODE_SENSE_10', 'SERVICE_ACTION_IN_16/12'],
    ...['MAINTENANCE_IN/c', 'MAINTENANCE_IN/d', 'READ_DEFECT_DATA_10', 'READ_DEFECT_DATA_12'],
  ],
};

describe.each(COMMANDS.map(({ opcode, serviceAction }) => [nameOf(opcode, serviceAction)]))(
  '%s',
  (name) => {
    test('has the access that the standards give it', () => {
      const [, className] = classOf(name);
      expect(accessOf(cdbOf(name))).toBe(ACCESS[className as keyof typeof ACCESS]);
    });
  },
);

test.each([
  ['1b 00 00 00 01', ACCESS.always],
  ['1b 00 00 00 00', ACCESS.write],
  ['1b 00 00 00 11', ACCESS.write],
  ['1e 00 00 00 00', ACCESS.report],
  ['1e 00 00 00 01', ACCESS.write],
  ['ff', ACCESS.write],
  ['9e 1f', ACCESS.write],
])('%s depends on its fields', (cdb, access) => {
  expect(accessOf(Buffer.from(cdb.replaceAll(' ', ''), 'hex'))).toBe(access);
});

test.each([
  // class, others under write exclusive and exclusive access, while another has RESERVE(6), while lost
  ['always', true, true, true, true],
  ['report', true, true, true, false],
  ['status', true, true, false, false],
  ['reserve', true, true, false, false],
  ['release', true, true, true, false],
  ['replaceLost', true, true, false, true],
  ['read', true, false, false, false],
  ['write', false, false, false, false],
] as const)('class %s', (name, writeExclusive, exclusive, legacy, lost) => {
  const { underWriteExclusive, underExclusiveAccess, underLegacy, whileLost } = ACCESS[name];
  expect([underWriteExclusive, underExclusiveAccess, underLegacy, whileLost]).toEqual([
    writeExclusive,
    exclusive,
    legacy,
    lost,
  ]);
});

describe.each(Object.values(RESERVATION_TYPE))('type %i', (type) => {
  const isWriteExclusive = [1, 5, 7].includes(type);
  const areRegistrantsAllowed = type > EXCLUSIVE_ACCESS;
  const words = (isAllowed: boolean) => (isAllowed ? 'good' : 'conflict');

  test.each([
    ['holder', 'a', true, true],
    ['registrant', 'b', isWriteExclusive || areRegistrantsAllowed, areRegistrantsAllowed],
    ['stranger', 'c', isWriteExclusive, false],
  ] as const)('for a %s', (_who, host, mayRead, mayWrite) => {
    const cluster = new Cluster();
    cluster.register('a', 1);
    cluster.register('b', 2);
    cluster.out('a', 'RESERVE', { key: 1, type });
    expect(cluster.ask(host, '28 00 00000000 00 0001')).toBe(words(mayRead));
    expect(cluster.ask(host, '2a 00 00000000 00 0001', Buffer.alloc(512))).toBe(words(mayWrite));
    expect(cluster.ask(host, '35')).toBe(words(mayWrite));
    expect(cluster.ask(host, '00')).toBe('good');
  });
});

test('the types of write exclusive begin with 1', () => {
  expect(WRITE_EXCLUSIVE).toBe(1);
});

function nameOf(opcode: number, serviceAction: number | undefined): string {
  const name = NAMES.get(opcode) ?? hex(opcode, 2);
  return serviceAction === undefined ? name : `${name}/${serviceAction.toString(16)}`;
}

/** What is not in the table changes something. */
function classOf(name: string): [string, string] {
  const plain = name.split('/')[0] ?? '';
  for (const candidate of [name, plain]) {
    const found = Object.entries(TABLE).find(([, names]) => names.includes(candidate));
    if (found !== undefined) return [candidate, found[0]];
  }
  return [name, 'write'];
}

function cdbOf(name: string): Buffer {
  const [plain = '', action = '0'] = name.split('/');
  const opcode = OPCODE[plain as keyof typeof OPCODE];
  return Buffer.from([opcode, Number.parseInt(action, 16), 0, 0, 0, 0, 0, 0, 0, 0]);
}
