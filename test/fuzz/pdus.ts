import type { Digests } from '../../controller/iscsi/digest.ts';
import type { Pdu } from '../../controller/iscsi/step.ts';
import { makePdu, wireBytes } from '../support/initiator-pdus.ts';
import type { SeededRandom } from '../support/random.ts';
import { edgeNumber } from './mutate.ts';

/** Opcodes of an initiator, with and without the immediate bit, and some that it must not send. */
const OPCODES = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x1c, 0x21, 0x3f] as const;

/** A PDU whose fields are any, but whose lengths are right. */
export function anyPdu(random: SeededRandom, maxDataBytes: number): Pdu {
  const opcode = random.pick(OPCODES) | (random.chance(0.3) ? 0x40 : 0);
  const dataBytes = random.chance(0.4) ? 0 : random.below(maxDataBytes + 1);
  const pdu = makePdu({
    opcode,
    flags: random.below(256),
    itt: random.below(4),
    words: { 8: 0, 12: 0, 20: edgeNumber(random, 4), 24: random.below(8) },
    data: random.bytes(dataBytes),
  });
  return random.chance(0.1) ? withAhs(pdu, random.bytes(4 * (1 + random.below(64)))) : pdu;
}

/** Additional header segments of whole words. */
export function withAhs({ header, data }: Pdu, ahs: Buffer): Pdu {
  header[4] = ahs.length / 4;
  return { header, ahs, data };
}

export function streamOf(pdus: readonly Pdu[], digests: Digests): Buffer {
  return Buffer.concat(pdus.map((pdu) => wireBytes(pdu, digests)));
}
