import { Fixture, hex, SIZE_BYTES, senseOf } from './fixture.ts';

const INVALID_CDB = '05/24/00';

describe('READ DEFECT DATA', () => {
  test('(10) and (12) tell that there are no defects, in the format that was asked for', () => {
    const fixture = new Fixture();
    expect(fixture.send('37 00 1d 00000000 0020').dataIn.toString('hex')).toBe('001d0000');
    expect(fixture.send('b7 1d 00000000 00000020').dataIn.toString('hex')).toBe('001d000000000000');
    expect(fixture.send('b7 08 00000000 00000002').dataIn.toString('hex')).toBe('0008');
  });

  test('refuses the reserved format', () => {
    expect(senseOf(new Fixture().send('37 00 0f 00000000 0020'))).toBe(INVALID_CDB);
    expect(senseOf(new Fixture().send('b7 0f 00000000 00000020'))).toBe(INVALID_CDB);
  });
});

describe('REPORT TARGET PORT GROUPS', () => {
  test('tells one group, active and optimized, in both formats', () => {
    const fixture = new Fixture();
    const group = '0001000100000001' + '00000001';
    expect(fixture.send('a3 0a 00000000 000000ff').dataIn.toString('hex')).toBe(`0000000c${group}`);
    expect(fixture.send('a3 2a 00000000 000000ff').dataIn.toString('hex')).toBe(
      `0000001010000000${group}`,
    );
    expect(senseOf(fixture.send('a3 4a 00000000 000000ff'))).toBe(INVALID_CDB);
  });

  test('names group and port as the designators of VPD page 83h do', () => {
    const fixture = new Fixture();
    const page = fixture.send('12 01 83 00ff').dataIn.toString('hex');
    expect(page).toContain('51940004' + '00000001');
    expect(page).toContain('51950004' + '00000001');
  });

  test('standard INQUIRY data tells implicit asymmetric access and third-party copy', () => {
    expect((new Fixture().send('12 00 00 00ff').dataIn[5] ?? 0) & 0x38).toBe(0x18);
  });
});

describe('LOG SENSE', () => {
  const logSense = (page: number, subpage = 0, rest = '0000 00ff') =>
    new Fixture().send(`4d 00 ${hex(0x40 | page, 2)} ${hex(subpage, 2)} 00 ${rest}`);

  test('lists pages, all of which it has, and subpages', () => {
    const { dataIn } = logSense(0);
    expect(dataIn.toString('hex')).toBe('00000002002f');
    for (const page of dataIn.subarray(4)) expect(logSense(page).dataIn[0]).toBe(page);
    expect(logSense(0, 0xff).dataIn.toString('hex')).toBe('40ff0006' + '000000ff2f00');
  });

  test('predicts no failure, and knows no temperature', () => {
    expect(logSense(0x2f).dataIn.toString('hex')).toBe('2f000008' + '00000304' + '0000ff00');
  });

  test('refuses other pages, a parameter pointer, and to save', () => {
    for (const outcome of [logSense(0x0c), logSense(0x2f, 1), logSense(0, 0, '0001 00ff')]) {
      expect(senseOf(outcome)).toBe(INVALID_CDB);
    }
    expect(senseOf(new Fixture().send('4d 01 40 00 00 0000 00ff'))).toBe('05/39/00');
  });
});

describe('SEND DIAGNOSTIC', () => {
  test('reads both ends of the volume as its self-test', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send('1d 04 00 0000 00'))).toBe('good');
    expect(fixture.operations).toEqual([
      { kind: 'read', offset: 0, length: 4096 },
      { kind: 'read', offset: SIZE_BYTES - 4096, length: 4096 },
    ]);
    fixture.failure = 'IO_FAILED';
    expect(senseOf(fixture.send('1d 04 00 0000 00'))).toBe('04/3e/03');
  });

  test('tests nothing when nothing is asked for, and refuses longer tests and parameters', () => {
    const fixture = new Fixture();
    expect(senseOf(fixture.send('1d 10 00 0000 00'))).toBe('good');
    expect(senseOf(fixture.send('1d 20 00 0000 00'))).toBe(INVALID_CDB);
    expect(senseOf(fixture.send('1d 10 00 0004 00', Buffer.alloc(4)))).toBe(INVALID_CDB);
    expect(fixture.operations).toEqual([]);
  });

  test('RECEIVE DIAGNOSTIC RESULTS lists the one page there is', () => {
    const fixture = new Fixture();
    expect(fixture.send('1c 01 00 00ff 00').dataIn.toString('hex')).toBe('0000000100');
    expect(senseOf(fixture.send('1c 01 40 00ff 00'))).toBe(INVALID_CDB);
    expect(senseOf(fixture.send('1c 00 00 00ff 00'))).toBe(INVALID_CDB);
  });
});
