import {
  type Executed,
  makePdu,
  makeRandom,
  makeTarget,
  type Sent,
  TestInitiator,
} from '../../../support/initiator-pdus.ts';

const UNSOLICITED = ['InitialR2T=No', 'ImmediateData=Yes', 'FirstBurstLength=65536'];
const CHECK_CONDITION = 2;

function loggedIn(...keys: string[]): TestInitiator {
  return new TestInitiator(makeTarget()).login(...keys);
}

function randomBytes(length: number): Buffer {
  const random = makeRandom(length);
  return Buffer.from(Uint8Array.from({ length }, () => Math.floor(random() * 256)));
}

function taskOf(initiator: TestInitiator): number {
  return (initiator.executed()[0] as Executed).task;
}

/** Additional sense code and qualifier of the one response that was sent. */
function senseOf(initiator: TestInitiator): string {
  const { header, data } = initiator.only();
  expect([header[0], header[3]]).toEqual([0x21, CHECK_CONDITION]);
  expect(data?.readUInt16BE(0)).toBe((data as Buffer).length - 2);
  expect((data as Buffer)[4]).toBe(0x0b);
  return (data as Buffer).toString('hex', 14, 16);
}

/** Answers R2Ts in PDUs of `segment` bytes until the write is executed. */
function answerR2Ts(initiator: TestInitiator, itt: number, data: Buffer, segment: number): Sent[] {
  const open = initiator.sent();
  const seen = [...open];
  for (let r2t = open.shift(); r2t !== undefined; r2t = open.shift()) {
    const start = r2t.header.readUInt32BE(40);
    const end = start + r2t.header.readUInt32BE(44);
    const ttt = r2t.header.readUInt32BE(20);
    for (let offset = start, dataSN = 0; offset < end; offset += segment, dataSN += 1) {
      const part = data.subarray(offset, Math.min(end, offset + segment));
      const isFinal = offset + part.length === end;
      initiator.send(initiator.dataOut({ itt, ttt, offset, dataSN, data: part, isFinal }));
      open.push(...initiator.sent());
      seen.push(...initiator.sent());
    }
  }
  return seen;
}

describe('write', () => {
  test('with all its data in the command is executed on a view of it', () => {
    const initiator = loggedIn(...UNSOLICITED);
    const data = randomBytes(4096);
    initiator.send(initiator.command({ write: 4096, data, itt: 77 }));
    expect(initiator.kinds()).toEqual(['execute']);
    expect(initiator.executed()[0]?.dataOut).toBe(data);
    initiator.done(taskOf(initiator), { transferBytes: 4096 });
    const { header } = initiator.only();
    expect(header.toString('hex', 0, 4)).toBe('21800000');
    expect(header.readUInt32BE(16)).toBe(77);
    expect(header.readUInt32BE(44)).toBe(0);
  });

  test('gathers unsolicited data up to the F bit, then asks for the rest', () => {
    const initiator = loggedIn(...UNSOLICITED);
    const data = randomBytes(100_000);
    const write = { write: data.length, data: data.subarray(0, 8192), isFinal: false, itt: 9 };
    expect(initiator.send(initiator.command(write))).toEqual([]);
    const next = { itt: 9, offset: 8192, dataSN: 0, data: data.subarray(8192, 40_000) };
    expect(initiator.send(initiator.dataOut({ ...next, isFinal: false }))).toEqual([]);
    const last = { itt: 9, offset: 40_000, dataSN: 1, data: data.subarray(40_000, 65_536) };
    initiator.send(initiator.dataOut(last));
    const { header } = initiator.only();
    expect([header[0], header.readUInt32BE(40), header.readUInt32BE(44)]).toEqual([
      0x31, 65_536, 34_464,
    ]);
    answerR2Ts(initiator, 9, data, 8192);
    expect(initiator.executed()[0]?.dataOut.equals(data)).toBe(true);
  });

  test('of 1 MiB is asked for in bursts, no more of them open than agreed', () => {
    const keys = ['MaxBurstLength=65536', 'MaxOutstandingR2T=3', 'ImmediateData=No'];
    const initiator = loggedIn(...keys);
    const data = randomBytes(1024 * 1024);
    initiator.send(initiator.command({ write: data.length, itt: 5 }));
    expect(initiator.sent()).toHaveLength(3);
    const r2ts = answerR2Ts(initiator, 5, data, 8192);
    expect(r2ts.map((r2t) => r2t.header.readUInt32BE(36))).toEqual([...Array(16).keys()]);
    expect(new Set(r2ts.map((r2t) => r2t.header.readUInt32BE(20))).size).toBe(16);
    expect(new Set(r2ts.map((r2t) => r2t.header.readUInt32BE(24))).size).toBe(1);
    expect(initiator.executed()[0]?.dataOut.equals(data)).toBe(true);
    initiator.done(taskOf(initiator), { transferBytes: data.length });
    expect(initiator.only().header.readUInt32BE(36)).toBe(16);
  });

  describe('beyond the room for solicited data', () => {
    const BIG = 4 * 1024 * 1024;
    const tagsSent = (initiator: TestInitiator) =>
      initiator.sent().map(({ header }) => header.readUInt32BE(16));

    /** Writes 1 to 8 fill the room but for 8 KiB; 9 waits for more, and 10 behind it. */
    function full(): TestInitiator {
      const initiator = loggedIn('MaxBurstLength=1048576', 'MaxOutstandingR2T=8');
      for (let itt = 1; itt <= 8; itt += 1) {
        initiator.send(initiator.command({ write: itt === 8 ? BIG - 8192 : BIG, itt }));
        expect(initiator.sent()).toHaveLength(4);
      }
      expect(initiator.send(initiator.command({ write: BIG, itt: 9 }))).toEqual([]);
      expect(initiator.send(initiator.command({ write: 8192, itt: 10 }))).toEqual([]);
      return initiator;
    }

    test('waits for its turn until another is done', () => {
      const initiator = full();
      initiator.send(initiator.manage(1, { referencedTag: 3, itt: 99 }));
      expect(tagsSent(initiator)).toEqual([9, 9, 9, 9, 10, 99]);
    });

    test('is never asked for when it was aborted while it waited', () => {
      const initiator = full();
      initiator.send(initiator.manage(1, { referencedTag: 9, itt: 98 }));
      expect(tagsSent(initiator)).toEqual([98]);
      initiator.send(initiator.manage(1, { referencedTag: 3, itt: 99 }));
      expect(tagsSent(initiator)).toEqual([10, 99]);
    });

    test('is not asked for when its session ends', () => {
      const initiator = full();
      initiator.step({ kind: 'closed', connection: 1, nowMs: 0 });
      expect(initiator.kinds()).toEqual(['nexus-closed']);
    });
  });

  test('that announces more than the largest write is gathered up to that only', () => {
    const initiator = loggedIn('MaxBurstLength=1048576', 'MaxOutstandingR2T=8');
    initiator.send(initiator.command({ write: 0xffffffff, itt: 1 }));
    const asked = initiator.sent().reduce((sum, { header }) => sum + header.readUInt32BE(44), 0);
    expect(asked).toBe(4 * 1024 * 1024);
  });

  test('of no bytes is executed at once', () => {
    const initiator = loggedIn();
    initiator.send(initiator.command({ write: 0 }));
    expect(initiator.executed()[0]?.dataOut).toHaveLength(0);
    initiator.done(taskOf(initiator), { transferBytes: 512 });
    const { header } = initiator.only();
    expect([header[1], header.readUInt32BE(44)]).toEqual([0x84, 512]);
  });

  test.each([
    ['repeats', 0],
    ['skips', 27],
    ['is negative', 0xffffffff],
  ])('fails with incorrect amount of data when DataSN %s', (_, dataSN) => {
    const initiator = loggedIn(...UNSOLICITED);
    const part = Buffer.alloc(512);
    initiator.send(initiator.command({ write: 1536, itt: 3, isFinal: false }));
    initiator.send(initiator.dataOut({ itt: 3, offset: 0, dataSN: 0, data: part, isFinal: false }));
    initiator.send(initiator.dataOut({ itt: 3, offset: 512, dataSN, data: part }));
    expect(senseOf(initiator)).toBe('0c0d');
    expect(initiator.only().header.readUInt32BE(44)).toBe(1536);
    const late = { itt: 3, offset: 1024, dataSN: 2, data: part };
    expect(initiator.send(initiator.dataOut(late))).toEqual([]);
  });

  test.each([
    ['another tag', { ttt: 0x7777 }],
    ['another offset', { offset: 512 }],
    ['more than was asked for', { data: Buffer.alloc(4096) }],
    ['less than was asked for', { data: Buffer.alloc(1024) }],
  ])('fails when an R2T is answered with %s', (_, wrong) => {
    const initiator = loggedIn('ImmediateData=No');
    initiator.send(initiator.command({ write: 2048, itt: 3 }));
    const ttt = initiator.only().header.readUInt32BE(20);
    const right = { itt: 3, ttt, offset: 0, dataSN: 0, data: Buffer.alloc(2048) };
    initiator.send(initiator.dataOut({ ...right, ...wrong }));
    expect(senseOf(initiator)).toBe('0c0d');
  });

  test.each([
    ['immediate data was not agreed', ['ImmediateData=No'], 512, true],
    ['the first burst is exceeded', ['FirstBurstLength=512'], 1024, true],
    ['more is to follow although R2T comes first', ['InitialR2T=Yes'], 0, false],
  ])('fails with unexpected unsolicited data when %s', (_, keys, bytes, isFinal) => {
    const initiator = loggedIn(...keys);
    initiator.send(initiator.command({ write: 4096, data: Buffer.alloc(bytes), isFinal }));
    expect(senseOf(initiator)).toBe('0c0c');
  });

  test('fails when unsolicited data exceeds the first burst', () => {
    const initiator = loggedIn('InitialR2T=No', 'FirstBurstLength=1024');
    initiator.send(initiator.command({ write: 4096, itt: 3, isFinal: false }));
    const data = Buffer.alloc(1536);
    initiator.send(initiator.dataOut({ itt: 3, offset: 0, dataSN: 0, data }));
    expect(senseOf(initiator)).toBe('0c0c');
  });
});

describe('read', () => {
  test('of 4 KiB is one Data-In PDU with status', () => {
    const initiator = loggedIn('MaxRecvDataSegmentLength=65536');
    initiator.send(initiator.command({ read: 4096, itt: 6 }));
    const dataIn = randomBytes(4096);
    initiator.done(taskOf(initiator), { dataIn, transferBytes: 4096 });
    const { header, data } = initiator.only();
    expect(header.toString('hex', 0, 8)).toBe('2581000000001000');
    expect([header.readUInt32BE(16), header.readUInt32BE(20)]).toEqual([6, 0xffffffff]);
    expect(data).toBe(dataIn);
  });

  test('is cut to the data segment and burst lengths of the initiator', () => {
    const initiator = loggedIn('MaxRecvDataSegmentLength=1024', 'MaxBurstLength=2560');
    initiator.send(initiator.command({ read: 6000 }));
    const dataIn = randomBytes(6000);
    initiator.done(taskOf(initiator), { dataIn, transferBytes: 6000 });
    const sent = initiator.sent();
    expect(sent.map(({ header }) => header[1])).toEqual([0, 0, 0x80, 0, 0, 0x80, 0x81]);
    expect(sent.map(({ header }) => header.readUInt32BE(36))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(sent.map(({ header }) => header.readUInt32BE(40))).toEqual([
      0, 1024, 2048, 2560, 3584, 4608, 5120,
    ]);
    expect(Buffer.concat(sent.map(({ data }) => data as Buffer)).equals(dataIn)).toBe(true);
  });

  test('with CHECK CONDITION has its sense in a response behind the data', () => {
    const initiator = loggedIn();
    initiator.send(initiator.command({ read: 512 }));
    const sense = Buffer.from('700003000000000a', 'hex');
    const dataIn = Buffer.alloc(100);
    initiator.done(taskOf(initiator), { status: 2, sense, dataIn, transferBytes: 100 });
    const [data, response] = initiator.sent();
    expect(data?.header.toString('hex', 0, 2)).toBe('2580');
    expect(response?.header.toString('hex', 0, 4)).toBe('21820002');
    expect(response?.header.readUInt32BE(36)).toBe(1);
    expect(response?.header.readUInt32BE(44)).toBe(412);
    expect(response?.data?.toString('hex')).toBe(`0008${sense.toString('hex')}`);
  });

  test.each([
    ['more than expected', 512, 4096, 0x85, 3584],
    ['less than expected', 8192, 4096, 0x83, 4096],
    ['what is expected', 4096, 4096, 0x81, 0],
  ])('that would move %s says so', (_, expected, moved, flags, residual) => {
    const initiator = loggedIn();
    initiator.send(initiator.command({ read: expected }));
    initiator.done(taskOf(initiator), { dataIn: Buffer.alloc(moved), transferBytes: moved });
    const { header, data } = initiator.only();
    expect([header[0], header[1], header.readUInt32BE(44)]).toEqual([0x25, flags, residual]);
    expect(data).toHaveLength(Math.min(expected, moved));
  });

  test('that expects no bytes gets none, and an overflow', () => {
    const initiator = loggedIn();
    initiator.send(initiator.command({ read: 0 }));
    initiator.done(taskOf(initiator), { dataIn: Buffer.alloc(512), transferBytes: 512 });
    const { header, data } = initiator.only();
    expect([header[0], header[1], header.readUInt32BE(44)]).toEqual([0x21, 0x84, 512]);
    expect(data).toBeUndefined();
  });
});

describe('command window', () => {
  const window = (sent: Sent) => [sent.header.readUInt32BE(28), sent.header.readUInt32BE(32)];

  test('never moves back and opens as commands end', () => {
    const initiator = loggedIn();
    initiator.cmdSN = 100;
    initiator.send(initiator.command({ read: 512 }));
    const first = taskOf(initiator);
    initiator.send(initiator.command({ read: 512 }));
    initiator.done(taskOf(initiator));
    expect(window(initiator.only())).toEqual([102, 228]);
    initiator.done(first);
    expect(window(initiator.only())).toEqual([102, 229]);
  });

  test('takes 128 commands, and ignores one more until one is done', () => {
    const initiator = loggedIn();
    for (let count = 0; count < 128; count += 1) {
      initiator.send(initiator.command({ read: 512 }));
      expect(initiator.kinds()).toEqual(['execute']);
    }
    const first = taskOf(initiator) - 127;
    const extra = initiator.command({ read: 512 });
    expect(initiator.send(extra)).toEqual([]);
    initiator.done(first);
    initiator.send(extra);
    expect(initiator.kinds()).toEqual(['execute']);
  });

  test('goes on across the wrap of CmdSN', () => {
    const initiator = new TestInitiator(makeTarget());
    initiator.cmdSN = 0xfffffffe;
    initiator.login();
    for (let count = 0; count < 5; count += 1) {
      initiator.send(initiator.command({ read: 512 }));
      initiator.done(taskOf(initiator));
    }
    expect(window(initiator.only())).toEqual([3, 130]);
  });

  test.each([
    ['was seen before', -1],
    ['is beyond MaxCmdSN', 128],
  ])('ignores a command whose CmdSN %s', (_, distance) => {
    const initiator = loggedIn();
    const pdu = initiator.command({ read: 512 });
    pdu.header.writeUInt32BE(100 + distance, 24);
    expect(initiator.send(pdu)).toEqual([]);
    initiator.cmdSN = 100;
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['execute']);
  });

  test('closes the connection when a command is missing', () => {
    const initiator = loggedIn();
    initiator.takeCmdSN();
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['nexus-closed', 'close']);
  });

  test('is not taken by immediate commands, of which 16 may be under way', () => {
    const initiator = loggedIn();
    const immediate = () => {
      const pdu = makePdu({ opcode: 0x41, flags: 0xc0, itt: initiator.nextItt() });
      return initiator.send(pdu);
    };
    for (let count = 0; count < 16; count += 1) {
      expect(immediate()).toMatchObject([{ kind: 'execute' }]);
    }
    immediate();
    expect(initiator.only().header.toString('hex', 0, 3)).toBe('3f8006');
    expect(window(initiator.only())).toEqual([100, 227]);
  });
});

describe('command', () => {
  test('is rejected while its task tag is in use', () => {
    const initiator = loggedIn();
    initiator.send(initiator.command({ read: 512, itt: 4 }));
    const again = initiator.command({ read: 512, itt: 4 });
    initiator.send(again);
    const { header, data } = initiator.only();
    expect(header.toString('hex', 0, 3)).toBe('3f8007');
    expect(header.readUInt32BE(16)).toBe(0xffffffff);
    expect(data?.equals(again.header)).toBe(true);
  });

  test.each([
    ['data without the W bit', { read: 512, data: Buffer.alloc(4) }, '09'],
    ['more data than it expects', { write: 512, data: Buffer.alloc(516) }, '09'],
    ['neither the F nor the W bit', { read: 512, isFinal: false }, '09'],
    ['both directions', { read: 512, write: 512 }, '05'],
  ])('is rejected with %s', (_, options, reason) => {
    const initiator = loggedIn();
    initiator.send(initiator.command(options));
    expect(initiator.only().header.toString('hex', 0, 3)).toBe(`3f80${reason}`);
    initiator.send(initiator.command({ read: 512 }));
    expect(initiator.kinds()).toEqual(['execute']);
  });

  test('carries an extended CDB', () => {
    const initiator = loggedIn();
    const pdu = {
      ...initiator.command({ read: 512 }),
      ahs: Buffer.from('000501000a0b0c0d', 'hex'),
    };
    initiator.send(pdu);
    expect(initiator.executed()[0]?.cdb.toString('hex', 16)).toBe('0a0b0c0d');
  });
});
