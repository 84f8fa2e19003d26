import { PduFramer } from '../../../../controller/iscsi/framer.ts';
import type { Pdu } from '../../../../controller/iscsi/step.ts';
import { makePdu, makeRandom, wireBytes } from '../../../support/initiator-pdus.ts';

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

function expectSame(pdus: Pdu[], expected: Pdu[]): void {
  expect(pdus.map(wireBytes).map((bytes) => bytes.toString('hex'))).toEqual(
    expected.map(wireBytes).map((bytes) => bytes.toString('hex')),
  );
}

describe('PDU framer', () => {
  const pdus = samplePdus();
  const stream = Buffer.concat(pdus.map(wireBytes));

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
