import { COMMANDS } from '../../../../controller/scsi/command-table.ts';
import { BLOCK_COUNT, Fixture, LUN_0, makeBlocks, NEXUS, senseOf } from './fixture.ts';

const OTHER_NEXUS = 8;
const OTHER_PORT = 'iqn.2026-11.org.example:host8,i,0x00023d000008';
const WRITE_PROTECTED = '07/27/02';
const INVALID_PARAMETER = '05/26/00';
const SENSE_CONTROL = '1a 08 0a 00 ff';
const CONTROL = '0a0a2210 00000000 00000000';
const CONTROL_SWP = '0a0a2210 08000000 00000000';

const hexOf = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** MODE SELECT(6) and (10) of one page. */
type Select = (page: string) => [cdb: string, list: Buffer];
const select6: Select = (page) => ['15 10 0000 10', hexOf(`00000000 ${page}`)];
const select10: Select = (page) => ['55 10 0000000000 0014', hexOf(`00000000 00000000 ${page}`)];

function sendAs(fixture: Fixture, nexus: number, cdb: string, dataOut = Buffer.alloc(0)) {
  const bytes = Buffer.alloc(16);
  bytes.write(cdb.replaceAll(' ', ''), 'hex');
  return fixture.finish(fixture.device.execute({ nexus, lun: LUN_0, cdb: bytes, dataOut }));
}

describe('MODE SELECT', () => {
  test.each<[string, Select]>([
    ['(6)', select6],
    ['(10)', select10],
  ])('%s sets and clears the software write protection', (_name, select) => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send(...select(CONTROL_SWP)))).toBe('good');
    const { dataIn } = fixture.send(SENSE_CONTROL);
    expect([dataIn[2], dataIn.subarray(4).toString('hex')]).toEqual([
      0x90,
      CONTROL_SWP.replaceAll(' ', ''),
    ]);
    expect(senseOf(fixture.send('2a 00 00000000 00 0001', makeBlocks(1)))).toBe(WRITE_PROTECTED);
    expect(senseOf(fixture.send('28 00 00000000 00 0001'))).toBe('good');
    expect(senseOf(fixture.send(...select(CONTROL)))).toBe('good');
    expect(fixture.send(SENSE_CONTROL).dataIn[2]).toBe(0x10);
    expect(senseOf(fixture.send('2a 00 00000000 00 0001', makeBlocks(1)))).toBe('good');
  });

  test('shows what can be changed, and the default that stays', () => {
    const fixture = new Fixture();
    fixture.send(...select6(CONTROL_SWP));
    expect(fixture.send('1a 08 4a 00 ff').dataIn.subarray(4).toString('hex')).toBe(
      '0a0a00000800000000000000',
    );
    expect(fixture.send('1a 08 8a 00 ff').dataIn.subarray(4).toString('hex')).toBe(
      CONTROL.replaceAll(' ', ''),
    );
  });

  test('tells the other nexuses of a change, and of nothing else', () => {
    const fixture = new Fixture();
    fixture.device.nexusOpened(OTHER_NEXUS, OTHER_PORT);
    expect(senseOf(sendAs(fixture, OTHER_NEXUS, '00'))).toBe('06/29/00');
    fixture.send(...select6(CONTROL));
    expect(senseOf(sendAs(fixture, OTHER_NEXUS, '00'))).toBe('good');
    fixture.send(...select6(CONTROL_SWP));
    expect(senseOf(sendAs(fixture, NEXUS, '00'))).toBe('good');
    expect(senseOf(sendAs(fixture, OTHER_NEXUS, '00'))).toBe('06/2a/01');
    expect(senseOf(sendAs(fixture, OTHER_NEXUS, '00'))).toBe('good');
  });

  test('takes none of a list of which one page is wrong', () => {
    const fixture = new Fixture();
    const list = hexOf(`00000000 ${CONTROL_SWP} 0a0a2210 0000ff00 00000000`);
    expect(senseOf(fixture.send('15 10 0000 1c', list))).toBe(INVALID_PARAMETER);
    expect(fixture.send(SENSE_CONTROL).dataIn[2]).toBe(0x10);
  });

  test('refuses to change any other bit of any page, and points at its byte', () => {
    const caching = `0812 04 ${'00'.repeat(17)}`;
    for (const [page, length] of [
      [CONTROL, 12],
      [caching, 20],
    ] as const) {
      const list = hexOf(`00000000 ${page}`);
      for (let bit = 16; bit < length * 8; bit += 1) {
        const changed = Buffer.from(list);
        const at = 4 + (bit >> 3);
        changed[at] = (changed[at] as number) ^ (1 << (bit & 7));
        const isSwp = length === 12 && at === 8 && (bit & 7) === 3;
        const outcome = new Fixture().send(`15 10 0000 ${(4 + length).toString(16)}`, changed);
        expect([bit, senseOf(outcome)]).toEqual([bit, isSwp ? 'good' : INVALID_PARAMETER]);
        if (!isSwp) expect(outcome.sense?.readUInt16BE(16)).toBe(at);
      }
    }
  });
});

test('a logical unit reset brings the default mode parameters back', () => {
  const fixture = new Fixture();
  fixture.send(...select6(CONTROL_SWP));
  fixture.device.logicalUnitReset();
  fixture.send('00');
  expect(fixture.send(SENSE_CONTROL).dataIn[2]).toBe(0x10);
});

describe('software write protection', () => {
  const writing = [
    ...[0x0a, 0x2a, 0xaa, 0x8a, 0x9c, 0x2e, 0xae, 0x8e], // WRITE, WRITE ATOMIC, WRITE AND VERIFY
    ...[0x41, 0x93, 0x42, 0x89, 0x8b, 0x83, 0x48], // WRITE SAME, UNMAP, exchanges, copy, SANITIZE
  ];

  test.each(COMMANDS.map((command) => [command.usage.toString('hex'), command] as const))(
    'refuses what changes the medium, and nothing else: %s',
    (_usage, { opcode, serviceAction = 0 }) => {
      const fixture = new Fixture();
      fixture.send(...select6(CONTROL_SWP));
      fixture.operations.length = 0;
      const cdb = Buffer.from([opcode, serviceAction]).toString('hex');
      const outcome = fixture.send(cdb, makeBlocks(1));
      expect(senseOf(outcome) === WRITE_PROTECTED).toBe(writing.includes(opcode));
      const kinds = fixture.operations.map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === 'write' || kind === 'trim')).toEqual([]);
    },
  );
});

test('the block descriptor of MODE SENSE still tells the size', () => {
  expect(new Fixture().send('1a 00 0a 00 ff').dataIn.readUInt32BE(4)).toBe(BLOCK_COUNT);
});
