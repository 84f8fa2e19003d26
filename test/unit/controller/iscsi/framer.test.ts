import type { Digests } from '../../../../controller/iscsi/digest.ts';
import { PduFramer } from '../../../../controller/iscsi/framer.ts';
import type { Pdu } from '../../../../controller/iscsi/step.ts';
import { digestBytes, makePdu, makeRandom, wireBytes } from '../../../support/initiator-pdus.ts';

const LIMIT = 8192;

function samplePdus(): Pdu[] {
  const withAhs: Pdu = {
    ...makePdu({ opcode: 0x01, itt: 5, bytes: { 4: 2 }, data: Buffer.from('ab') }),
    ahs: Buffer.from('12345678'),
  };
  return [
    makePdu({ opcode: 0x00, itt: 1 }),
    makePdu({ opcode: 0x01, itt: 2, data: Buffer.alloc(4096, 7) }),
    makePdu({ opcode: 0x04, itt: 3, data: Buffer.from('odd') }),
    withAhs,
    makePdu({ opcode: 0x05, itt: 4, data: Buffer.alloc(LIMIT, 9) }),
  ];
}

function cut(stream: Buffer, nextLength: () => number): Pdu[] {
  const framer = new PduFramer(LIMIT);
  const pdus: Pdu[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = Math.min(stream.length, at + nextLength());
    expect(framer.push(stream.subarray(at, end), pdus)).toBeUndefined();
    at = end;
  }
  return pdus;
}

function hexOf(pdus: Pdu[]): string[] {
  return pdus.map((pdu) => wireBytes(pdu).toString('hex'));
}

function expectSame(pdus: Pdu[], expected: Pdu[]): void {
  expect(hexOf(pdus)).toEqual(hexOf(expected));
}

describe('PDU framer', () => {
  const pdus = samplePdus();
  const stream = Buffer.concat(pdus.map((pdu) => wireBytes(pdu)));

  test('cuts PDUs that lie in one chunk, and they stay when the chunk is used again', () => {
    const chunk = Buffer.from(stream);
    const cutPdus: Pdu[] = [];
    expect(new PduFramer(LIMIT).push(chunk, cutPdus)).toBeUndefined();
    chunk.fill(0xff);
    expectSame(cutPdus, pdus);
  });

  test('cuts the same PDUs byte by byte', () => {
    expectSame(
      cut(stream, () => 1),
      pdus,
    );
  });

  test('cuts the same PDUs at random places', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = makeRandom(seed);
      expectSame(
        cut(stream, () => 1 + Math.floor(random() ** 3 * 6000)),
        pdus,
      );
    }
  });

  test('refuses a data segment beyond the limit before any of it arrived', () => {
    const { header } = makePdu({ opcode: 1 });
    header.writeUIntBE(LIMIT + 1, 5, 3);
    expect(new PduFramer(LIMIT).push(header, [])).toMatch(/data segment of 8193 bytes/);
    const framer = new PduFramer(LIMIT);
    expect(framer.push(header.subarray(0, 20), [])).toBeUndefined();
    expect(framer.push(header.subarray(20), [])).toMatch(/data segment of 8193 bytes/);
  });

  test('refuses additional header segments beyond the limit', () => {
    const { header } = makePdu({ opcode: 1, bytes: { 4: 65 } });
    expect(new PduFramer(LIMIT).push(header, [])).toMatch(/additional header segments/);
  });
});

describe('PDU framer with digests', () => {
  const pdus = samplePdus();
  const BOTH: Digests = { header: true, data: true };

  function fed(stream: Buffer, digests: Digests, nextLength: () => number) {
    const framer = new PduFramer(512);
    expect(framer.enterFullFeature({ maxDataBytes: LIMIT, digests })).toBeUndefined();
    const cutPdus: Pdu[] = [];
    let fault: string | undefined;
    for (let at = 0; at < stream.length && fault === undefined; ) {
      const end = Math.min(stream.length, at + nextLength());
      fault = framer.push(stream.subarray(at, end), cutPdus);
      at = end;
    }
    return { pdus: cutPdus, fault };
  }

  test('has the examples of the RFC for its digests (appendix A.4)', () => {
    const up = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
    const read = Buffer.alloc(48);
    read.set([0x01, 0xc0], 0);
    read.set([0x14], 16);
    read.set([0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28], 22);
    read.set([0x02], 40);
    for (const [bytes, digest] of [
      [Buffer.alloc(32), 'aa36918a'],
      [Buffer.alloc(32, 0xff), '43aba862'],
      [up, '4e79dd46'],
      [Buffer.from(up).reverse(), '5cdb3f11'],
      [read, '563a96d9'],
    ] as const) {
      expect(digestBytes(bytes).toString('hex')).toBe(digest);
    }
  });

  test.each<[string, Digests]>([
    ['both', BOTH],
    ['the header only', { header: true, data: false }],
    ['the data only', { header: false, data: true }],
  ])('over %s cuts the same PDUs whole, byte by byte and at random places', (_, digests) => {
    const stream = Buffer.concat(pdus.map((pdu) => wireBytes(pdu, digests)));
    const random = makeRandom(7);
    for (const nextLength of [
      () => stream.length,
      () => 1,
      ...Array.from({ length: 50 }, () => () => 1 + Math.floor(random() ** 3 * 6000)),
    ]) {
      const result = fed(stream, digests, nextLength);
      expect(result.fault).toBeUndefined();
      expectSame(result.pdus, pdus);
      expect(result.pdus.some(({ isDamaged }) => isDamaged)).toBe(false);
    }
  });

  test('ends the stream at each wrong byte of a header, with the PDUs before it cut', () => {
    const [first, , , withAhs] = pdus as [Pdu, Pdu, Pdu, Pdu];
    const before = wireBytes(first, BOTH);
    // Wrong lengths (bytes 4 to 7) are refused as such when they are beyond a limit.
    for (let at = 0; at < 60; at += 1) {
      for (const nextLength of [() => 5000, () => 1]) {
        const wrong = wireBytes(withAhs, BOTH);
        wrong[at] = (wrong[at] as number) ^ 0x01;
        const stream = Buffer.concat([before, wrong, Buffer.alloc(2000)]);
        const result = fed(stream, BOTH, nextLength);
        expect(result.fault).toMatch(at === 5 ? /limit/ : /header digest/);
        expectSame(result.pdus, [first]);
      }
    }
  });

  test('tells a wrong header before the data that it promises', () => {
    const wrong = wireBytes(makePdu({ opcode: 1, data: Buffer.alloc(4096) }), BOTH);
    wrong[20] = 0x80;
    const framer = new PduFramer(LIMIT);
    framer.enterFullFeature({ maxDataBytes: LIMIT, digests: BOTH });
    expect(framer.push(wrong.subarray(0, 51), [])).toBeUndefined();
    expect(framer.push(wrong.subarray(51, 52), [])).toBe('header digest error');
  });

  test('marks a PDU whose data, padding or data digest is wrong, and goes on behind it', () => {
    const [first, , odd] = pdus as [Pdu, Pdu, Pdu];
    const start = 48 + 4;
    for (let at = start; at < start + 8; at += 1) {
      for (const nextLength of [() => 5000, () => 1]) {
        const wrong = wireBytes(odd, BOTH);
        wrong[at] = (wrong[at] as number) ^ 0x10;
        const stream = Buffer.concat([wrong, wireBytes(first, BOTH), wireBytes(odd, BOTH)]);
        const result = fed(stream, BOTH, nextLength);
        expect(result.fault).toBeUndefined();
        expect(result.pdus.map(({ isDamaged }) => isDamaged)).toEqual([true, false, false]);
        expectSame(
          [result.pdus[0] as Pdu].map((pdu) => ({ ...pdu, data: odd.data })),
          [odd],
        );
      }
    }
  });

  test('takes no PDU that begins before the login is answered', () => {
    for (const length of [1, 47, 48, 60]) {
      const framer = new PduFramer(LIMIT);
      const early = wireBytes(makePdu({ opcode: 1, data: Buffer.alloc(64) })).subarray(0, length);
      expect(framer.push(early, [])).toBeUndefined();
      expect(framer.enterFullFeature({ maxDataBytes: LIMIT, digests: BOTH })).toMatch(/before/);
    }
  });
});
