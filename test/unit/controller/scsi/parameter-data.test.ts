import { COMMANDS } from '../../../../controller/scsi/command-table.ts';
import { BLOCK_COUNT, Fixture, hex, IDENTITY, senseOf } from './fixture.ts';

const INVALID_CDB = '05/24/00';
const vpd = (page: number, allocation = 0x400) => `12 01 ${hex(page, 2)} ${hex(allocation, 4)}`;

describe('INQUIRY', () => {
  test('standard data names vendor, product, revision and standards', () => {
    const { dataIn } = new Fixture().send('12 00 00 0104');
    expect(dataIn).toHaveLength(96);
    expect(dataIn.subarray(0, 8).toString('hex')).toBe('000006025b180002');
    expect(dataIn.toString('latin1', 8, 36)).toBe('KEELSON VOLUME          0.1 ');
    expect(dataIn.subarray(58, 68).toString('hex')).toBe('00a00960046004c00000');
  });

  test('is cut to its allocation length, with its own length unchanged', () => {
    const outcome = new Fixture().send('12 00 00 0005');
    expect([outcome.dataIn.length, outcome.transferBytes]).toEqual([5, 5]);
    expect(outcome.dataIn[4]).toBe(91);
    expect(new Fixture().send('12 00 00 0000').dataIn).toHaveLength(0);
  });

  test.each(['12 00 83 00ff', '12 01 b7 00ff', '12 02 00 00ff'])('refuses %s', (cdb) => {
    expect(senseOf(new Fixture().send(cdb))).toBe(INVALID_CDB);
  });

  test('every page in the list of pages can be read and says its own length', () => {
    const pages = new Fixture().send(vpd(0)).dataIn;
    expect(pages.toString('hex')).toBe('000000070080838fb0b1b2');
    for (const page of pages.subarray(4)) {
      const { dataIn } = new Fixture().send(vpd(page));
      expect(dataIn[1]).toBe(page);
      expect(dataIn.readUInt16BE(2)).toBe(dataIn.length - 4);
    }
  });

  test('page 80h is the volume id', () => {
    expect(new Fixture().send(vpd(0x80)).dataIn.toString('latin1', 4)).toBe(IDENTITY.serial);
  });

  test('page 83h names the unit and the port', () => {
    const { dataIn } = new Fixture().send(vpd(0x83));
    const designators: [string, string][] = [];
    for (let at = 4; at < dataIn.length; at += 4 + (dataIn[at + 3] ?? 0)) {
      const end = at + 4 + (dataIn[at + 3] ?? 0);
      const isText = ((dataIn[at] ?? 0) & 0x0f) !== 1;
      designators.push([
        dataIn.toString('hex', at, at + 2),
        dataIn.toString(isText ? 'latin1' : 'hex', at + 4, end),
      ]);
    }
    expect(designators).toEqual([
      ['0103', '39ab0123456789ef'],
      ['0201', `KEELSON ${IDENTITY.serial}`],
      ['5398', `${IDENTITY.targetName},t,0x0001\0\0\0\0`],
      ['5194', '00000001'],
      ['5195', '00000001'],
    ]);
  });

  test('pages B0h, B1h and B2h tell limits, no rotation, and provisioning', () => {
    const fixture = new Fixture();
    expect(fixture.send(vpd(0xb0)).dataIn.toString('hex')).toBe(
      '00b0003c' + // page, length
        '01ff0008' + // WSNZ, compare and write 255, granularity 8
        '0000200000000800' + // transfer: at most 4 MiB, best 1 MiB
        '00000000' + // prefetch: no limit
        '0010000000000100' + // unmap: 1 Mi blocks, 256 descriptors
        '0000000880000000' + // unmap granularity 8, aligned at 0
        '0000000000008000' + // write same: 32 Ki blocks
        '000001000000000800000008' + // atomic: at most 256, aligned at 8, in steps of 8
        '00'.repeat(8), // with an atomic boundary: none
    );
    expect(fixture.send(vpd(0xb1)).dataIn.subarray(0, 8).toString('hex')).toBe('00b1003c00010040');
    expect(fixture.send(vpd(0xb2)).dataIn.toString('hex')).toBe('00b2000400e40200');
  });
});

describe('READ CAPACITY', () => {
  test('tells the last block and the size of blocks', () => {
    const fixture = new Fixture();
    const last = hex(BLOCK_COUNT - 1, 8);
    expect(fixture.send('25').dataIn.toString('hex')).toBe(`${last}00000200`);
    expect(fixture.send('9e10 0000000000000000 00000020').dataIn.toString('hex')).toBe(
      `00000000${last}000002000003c000${'00'.repeat(16)}`,
    );
  });

  test('(10) tells that the last block does not fit, (16) tells it', () => {
    const fixture = new Fixture(2 ** 46);
    expect(fixture.send('25').dataIn.readUInt32BE(0)).toBe(0xffffffff);
    const { dataIn } = fixture.send('9e10 0000000000000000 00000008');
    expect(dataIn).toHaveLength(8);
    expect(dataIn.readBigUInt64BE(0)).toBe(2n ** 37n - 1n);
  });

  test('(10) takes an address only with PMI', () => {
    expect(senseOf(new Fixture().send('25 00 00000001'))).toBe(INVALID_CDB);
    expect(senseOf(new Fixture().send('25 00 00000001 0000 01'))).toBe('good');
  });
});

describe('REPORT LUNS', () => {
  test.each([
    [0x00, 16],
    [0x01, 8],
    [0x02, 16],
    [0x10, 8],
    [0x11, 16],
    [0x12, 8],
  ])('select report %i answers %i bytes', (select, bytes) => {
    const { dataIn } = new Fixture().send(`a000 ${hex(select, 2)} 000000 000000ff`);
    expect(dataIn).toHaveLength(bytes);
    expect(dataIn.readUInt32BE(0)).toBe(bytes - 8);
  });

  test('refuses another select report', () => {
    expect(senseOf(new Fixture().send('a000 03 000000 000000ff'))).toBe(INVALID_CDB);
  });
});

const CACHING = `081204${'00'.repeat(17)}`;
const CONTROL = `0a0a2210${'00'.repeat(8)}`;
const EXCEPTIONS = `1c0a08${'00'.repeat(9)}`;
const DESCRIPTOR = `${hex(BLOCK_COUNT, 8)}00000200`;

describe('MODE SENSE', () => {
  test.each([
    ['all pages', '1a 00 3f 00 ff', `37001008${DESCRIPTOR}${CACHING}${CONTROL}${EXCEPTIONS}`],
    ['all subpages', '1a 08 3f ff ff', `2f001000${CACHING}${CONTROL}${EXCEPTIONS}`],
    ['caching, no descriptor', '1a 08 08 00 ff', `17001000${CACHING}`],
    ['defaults', '1a 08 8a 00 ff', `0f001000${CONTROL}`],
    ['changeable values: none', '1a 08 48 00 ff', `17001000 0812${'00'.repeat(18)}`],
    ['cut', '1a 00 3f 00 04', '37001008'],
    ['(10)', '5a 00 1c 00 000000 00ff', `001a001000000008${DESCRIPTOR}${EXCEPTIONS}`],
    [
      '(10) with long addresses',
      '5a 10 1c 00 000000 00ff',
      `0022001001000010${hex(BLOCK_COUNT, 16)}0000000000000200${EXCEPTIONS}`,
    ],
  ])('answers %s', (_name, cdb, expected) => {
    expect(new Fixture().send(cdb).dataIn.toString('hex')).toBe(expected.replaceAll(' ', ''));
  });

  test.each([
    ['an unknown page', '1a 00 02 00 ff', INVALID_CDB],
    ['an unknown subpage', '1a 00 0a 01 ff', INVALID_CDB],
    ['saved values', '1a 00 ff 00 ff', '05/39/00'],
  ])('refuses %s', (_name, cdb, sense) => {
    expect(senseOf(new Fixture().send(cdb))).toBe(sense);
  });
});

describe('MODE SELECT', () => {
  const send = (cdb: string, list: string) =>
    senseOf(new Fixture().send(cdb, Buffer.from(list.replaceAll(' ', ''), 'hex')));

  test.each([
    ['nothing', '15 10 0000 00', ''],
    ['a header only', '15 10 0000 04', '00000000'],
    ['the pages that are', '15 10 0000 20', `00000008 ${DESCRIPTOR} ${CACHING}`],
    ['(10) and the control page', '55 10 0000000000 0014', `0000000000000000 ${CONTROL}`],
    [
      '(10) with a long descriptor',
      '55 10 0000000000 0018',
      `0000000001000010 ${hex(BLOCK_COUNT, 16)} 0000000000000200`,
    ],
  ])('accepts %s', (_name, cdb, list) => {
    expect(send(cdb, list)).toBe('good');
  });

  test.each([
    ['another value', '15 10 0000 10', `00000000 ${CONTROL.replace('22', '26')}`, '05/26/00'],
    ['an unknown page', '15 10 0000 10', `00000000 ${CONTROL.replace('0a', '0b')}`, '05/26/00'],
    ['another block size', '15 10 0000 0c', '00000008 00008000 00001000', '05/26/00'],
    ['a page that is cut', '15 10 0000 0f', `00000000 ${CONTROL}`, '05/1a/00'],
    ['a descriptor that is cut', '15 10 0000 08', `00000008 ${DESCRIPTOR}`, '05/1a/00'],
    ['less data than it says', '15 10 0000 10', '00000000', '05/1a/00'],
    ['a cut header', '15 10 0000 03', '00000000', '05/1a/00'],
    ['no page format', '15 00 0000 04', '00000000', INVALID_CDB],
    ['saving', '15 11 0000 04', '00000000', INVALID_CDB],
  ])('refuses %s', (_name, cdb, list, sense) => {
    expect(send(cdb, list)).toBe(sense);
  });
});

describe('START STOP UNIT', () => {
  test('flushes when stopping, unless told not to', () => {
    const fixture = new Fixture();
    for (const cdb of ['1b 00 00 00 01', '1b 00 00 00 04', '1b 01 00 00 00']) {
      expect(senseOf(fixture.send(cdb))).toBe('good');
    }
    expect(fixture.operations).toEqual([{ kind: 'flush' }]);
  });

  test.each(['02', '03', '10'])('refuses to load, eject or change power: %s', (flags) => {
    expect(senseOf(new Fixture().send(`1b 01 00 00 ${flags}`))).toBe(INVALID_CDB);
  });
});

test('PREVENT ALLOW MEDIUM REMOVAL changes nothing', () => {
  expect(senseOf(new Fixture().send('1e 00 00 00 01'))).toBe('good');
});

describe('REPORT SUPPORTED OPERATION CODES', () => {
  const report = (options: number, opcode = 0, serviceAction = 0) =>
    new Fixture().send(
      `a30c ${hex(options, 2)} ${hex(opcode, 2)} ${hex(serviceAction, 4)} 0000ffff`,
    );

  test.each([
    ['without', 0x00, 8],
    ['with', 0x80, 20],
  ])('lists every command %s timeouts', (_name, options, bytes) => {
    const { dataIn } = report(options);
    expect(dataIn.readUInt32BE(0)).toBe(dataIn.length - 4);
    expect(dataIn).toHaveLength(4 + bytes * COMMANDS.length);
    for (const [index, command] of COMMANDS.entries()) {
      const descriptor = dataIn.subarray(4 + bytes * index, 4 + bytes * (index + 1));
      expect(descriptor[0]).toBe(command.opcode);
      expect(descriptor.readUInt16BE(2)).toBe(command.serviceAction ?? 0);
      const flags = (command.serviceAction === undefined ? 0 : 1) | (bytes === 20 ? 2 : 0);
      expect(descriptor[5]).toBe(flags);
      expect(descriptor.readUInt16BE(6)).toBe(command.usage.length);
      if (bytes === 20) expect(descriptor.readUInt16BE(8)).toBe(10);
    }
  });

  test.each(COMMANDS.map((command) => [command.usage.toString('hex'), command] as const))(
    'shows the CDB of one command: %s',
    (_usage, { opcode, serviceAction, usage }) => {
      const isPlain = serviceAction === undefined;
      const option = isPlain ? 1 : 2;
      const { dataIn } = report(option, opcode, serviceAction);
      expect(dataIn.readUInt16BE(0)).toBe(3);
      expect(dataIn.readUInt16BE(2)).toBe([6, 10, 10, 0, 16, 12][opcode >> 5]);
      expect(dataIn.subarray(4).equals(usage)).toBe(true);
      expect(dataIn[4]).toBe(opcode);
      if (!isPlain) expect((dataIn[5] ?? 0) & 0x1f).toBe(serviceAction);
      const wrong = report(isPlain ? 2 : 1, opcode, serviceAction);
      expect(senseOf(wrong)).toBe(INVALID_CDB);
      expect(wrong.sense?.readUInt16BE(16)).toBe(2);
      expect(report(3, opcode, serviceAction).dataIn.equals(dataIn)).toBe(true);
      const timed = report(0x80 | option, opcode, serviceAction).dataIn;
      expect(timed).toHaveLength(dataIn.length + 12);
      expect(timed[1]).toBe(0x83);
    },
  );

  test('says which commands are not supported', () => {
    expect(report(1, 0x60).dataIn).toEqual(Buffer.from([0, 1, 0, 0]));
    expect(report(2, 0x60, 1).dataIn).toEqual(Buffer.from([0, 1, 0, 0]));
    expect(report(2, 0x9e, 0x13).dataIn).toEqual(Buffer.from([0, 1, 0, 0]));
    expect(report(3, 0x28, 1).dataIn).toEqual(Buffer.from([0, 1, 0, 0]));
    expect(senseOf(report(4, 0x28))).toBe(INVALID_CDB);
  });

  test('shows DPO and FUA where they are taken', () => {
    for (const opcode of [0x28, 0x2a, 0x88, 0x8a, 0xa8, 0xaa, 0x89, 0x8b]) {
      expect((report(1, opcode).dataIn[5] ?? 0) & 0x18).toBe(0x18);
    }
  });
});

test('REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS answers in both lengths', () => {
  const fixture = new Fixture();
  expect(fixture.send('a30d 00 000000 00000010').dataIn.toString('hex')).toBe('da000000');
  expect(fixture.send('a30d 80 000000 00000010').dataIn.toString('hex')).toBe(
    `da00000c${'00'.repeat(12)}`,
  );
});
