import {
  RESERVATION_TYPE,
  type ReservationState,
} from '../../../../controller/scsi/reservations/state.ts';
import { decodeState, encodeState } from '../../../../controller/scsi/reservations/stored-state.ts';
import {
  makeTransportId,
  parsePort,
  readTransportId,
} from '../../../../controller/scsi/reservations/transport-id.ts';
import { crc32c } from '../../../../replica/common/crc32c.ts';
import { SeededRandom } from '../../../support/random.ts';

const PORT_A = 'iqn.2026-11.org.example:a,i,0x00023d000001';
const PORT_B = 'iqn.2026-11.org.example:b,i,0x00023d000002';

describe('TransportID of iSCSI (SPC-4 clause 7.6.4.6)', () => {
  test('is made and read, padded with zeros to 4 bytes', () => {
    const id = makeTransportId(PORT_A);
    expect(id.subarray(0, 4)).toEqual(Buffer.from([0x45, 0, 0, 44]));
    expect(id.toString('utf8', 4)).toBe(`${PORT_A}\0\0`);
    expect(readTransportId(Buffer.concat([id, Buffer.alloc(3)]))).toEqual({
      port: PORT_A,
      bytes: id.length,
    });
  });

  test('has at least 20 bytes behind its length, and always a zero at the end', () => {
    expect(makeTransportId('x,i,0x000000000001')).toHaveLength(24);
    expect(makeTransportId('abc,i,0x000000000001')).toHaveLength(28);
  });

  test('is read to its first zero, whatever stands behind', () => {
    const id = makeTransportId(PORT_A);
    id[id.length - 1] = 0x41;
    expect(readTransportId(id)?.port).toBe(PORT_A);
  });

  test('without a zero at all is read to its end', () => {
    const name = 'iqn.x:y,i,0x000000000001';
    const id = Buffer.concat([Buffer.from([0x45, 0, 0, 24]), Buffer.from(name)]);
    expect(readTransportId(id)?.port).toBe(name);
  });

  test.each([
    ['another protocol', 0, 0x46],
    ['format code 00b', 0, 0x05],
    ['format code 10b', 0, 0x85],
    ['a length that is no multiple of 4', 3, 42],
    ['a length below 20', 3, 16],
    ['a length beyond its end', 3, 48],
    ['a length of thousands', 2, 0xff],
    ['bytes that are no UTF-8', 10, 0xff],
    ['no name', 4, 0],
  ])('with %s is none', (_what, at, value) => {
    const id = makeTransportId(PORT_A);
    id[at] = value;
    expect(readTransportId(id)).toBeUndefined();
  });

  test('that is cut off anywhere is none', () => {
    const id = makeTransportId(PORT_A);
    for (let length = 0; length < id.length; length += 1) {
      expect(readTransportId(id.subarray(0, length))).toBeUndefined();
    }
  });
});

describe('name of an initiator port', () => {
  test.each([
    ['IQN.2026-11.Org.Example:A,i,0x00023D000001', PORT_A],
    ['iqn.2026-11.org.example:a,i,0x23d000001', PORT_A],
    ['a,i,0x1,i,0x2', 'a,i,0x1,i,0x000000000002'],
  ])('%s is %s', (text, port) => {
    expect(parsePort(text)).toBe(port);
  });

  test.each([
    '',
    'iqn.2026-11.org.example:a',
    ',i,0x000000000001',
    'iqn.x:a,i,0x',
    'iqn.x:a,i,0x1g',
    'iqn.x:a,i,0x0000000000001',
    `${'x'.repeat(224)},i,0x000000000001`,
    'a\0b,i,0x000000000001',
  ])('%j is none', (text) => {
    expect(parsePort(text)).toBeUndefined();
  });
});

const STATE: ReservationState = {
  registrations: [
    { port: PORT_A, key: 0x0102030405060708n },
    { port: PORT_B, key: 2n },
  ],
  reservation: { type: RESERVATION_TYPE.EXCLUSIVE_ACCESS, holder: PORT_B },
  aptpl: true,
  generation: 0,
};

/** With its CRC made right again. */
function patched(change: (body: Buffer) => Buffer | undefined): Buffer {
  const stored = encodeState(STATE);
  const copy = Buffer.from(stored.subarray(0, stored.length - 4));
  const body = change(copy) ?? copy;
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32c(body), 0);
  return Buffer.concat([body, crc]);
}

describe('stored reservations', () => {
  test('have the layout of version 1', () => {
    const name = (port: string) => Buffer.from(port).toString('hex');
    expect(encodeState(STATE).toString('hex')).toBe(
      `4b5245530103010201020304050607082a${name(PORT_A)}00000000000000022a${name(PORT_B)}8e754c38`,
    );
  });

  test.each([
    STATE,
    { ...STATE, reservation: undefined },
    {
      ...STATE,
      reservation: { type: RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS, holder: undefined },
    },
    { ...STATE, registrations: [], reservation: undefined },
  ] as ReservationState[])('come back as they were, %#', (state) => {
    expect(decodeState(encodeState(state))).toEqual(state);
  });

  test('start with generation 0, and are none at all when they do not persist', () => {
    expect(decodeState(encodeState({ ...STATE, generation: 7 }))).toEqual(STATE);
    expect(encodeState({ ...STATE, aptpl: false })).toHaveLength(0);
    expect(decodeState(Buffer.alloc(0))).toMatchObject({ registrations: [], aptpl: false });
  });

  test('that are cut, or of which any one bit is wrong, are told to be broken', () => {
    const stored = encodeState(STATE);
    for (let length = 1; length < stored.length; length += 1) {
      expect(typeof decodeState(stored.subarray(0, length))).toBe('string');
    }
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const copy = Buffer.from(stored);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(typeof decodeState(copy)).toBe('string');
    }
  });

  const at = (index: number, value: number) => (body: Buffer) => {
    body[index] = value;
    return body;
  };
  test.each([
    ['version 2, expected 1', at(4, 2)],
    ['reservation type 4 is unknown', at(5, 4)],
    ['a holder without a reservation', at(5, 0)],
    ['a reservation of all registrants without any', at(5, 7)],
    ['holder 2 is not registered', at(6, 2)],
    ['holder 255 is not registered', at(6, 255)],
    ['65 registrations, at most 64', at(7, 65)],
    ['it ends within registration 2', at(7, 3)],
    ['51 bytes are left over', at(7, 1)],
    ['it ends within the name of registration 0', at(16, 255)],
    ['registration 0 has no valid key and name', (body: Buffer) => body.fill(0, 8, 16)],
    ['registration 0 has no valid key and name', at(20, 0x41)],
    [
      'a port is registered twice',
      (body: Buffer) => {
        body.set(Buffer.from(PORT_A), body.length - PORT_A.length);
        return body;
      },
    ],
  ])('say why they are refused: %s', (why, change) => {
    expect(decodeState(patched(change))).toBe(why);
  });

  test('of random bytes with a right CRC never throw', () => {
    const seed = 20261121;
    console.info(`seed ${seed}`);
    const random = new SeededRandom(seed);
    let refused = 0;
    for (let count = 0; count < 20_000; count += 1) {
      const decoded = decodeState(
        patched((body) => {
          for (let times = random.below(4); times >= 0; times -= 1) {
            body[5 + random.below(body.length - 5)] = random.below(256);
          }
          return body;
        }),
      );
      if (typeof decoded === 'string') refused += 1;
      else expect(decodeState(encodeState(decoded))).toEqual(decoded);
    }
    expect(refused).toBeGreaterThan(1000);
    expect(refused).toBeLessThan(20_000);
  });
});
