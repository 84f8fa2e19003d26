import type { Digests } from '../../../controller/iscsi/digest.ts';
import { PduFramer } from '../../../controller/iscsi/framer.ts';
import type { Pdu } from '../../../controller/iscsi/step.ts';
import type { SeededRandom } from '../../support/random.ts';
import { waysToCut } from '../chunks.ts';
import { mutate } from '../mutate.ts';
import { anyPdu, streamOf } from '../pdus.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

const MAX_DATA_BYTES = 1024;
const LOGIN_DATA_BYTES = 64;
/** BHS, the longest AHS, padded data, two digests. */
const MAX_PDU_BYTES = 48 + 255 * 4 + MAX_DATA_BYTES + 8;

/** Input: a byte of digests (bit 0 header, bit 1 data), then the stream of a connection. */
export const iscsiFramer: FuzzTarget = {
  name: 'iscsi-framer',

  generate(random: SeededRandom): Buffer {
    const digests = digestsOf(random.below(4));
    const pdus = Array.from({ length: 1 + random.below(5) }, () => anyPdu(random, MAX_DATA_BYTES));
    const options = (digests.header ? 1 : 0) | (digests.data ? 2 : 0);
    const stream = streamOf(pdus, digests);
    return Buffer.concat([Buffer.from([options]), mutate(stream, random)]);
  },

  check(input: Buffer): void {
    const digests = digestsOf(input[0] ?? 0);
    const stream = input.subarray(1);
    const [whole, ...others] = waysToCut(stream).map((chunks) => frame(chunks, digests));
    for (const { shown } of others) {
      expectThat(shown === whole?.shown, 'the chunking changes what is cut', { whole, shown });
    }
    expectRoundTrip(whole?.pdus ?? [], digests);
  },
};

function digestsOf(bits: number): Digests {
  return { header: (bits & 1) !== 0, data: (bits & 2) !== 0 };
}

interface Framed {
  readonly pdus: readonly Pdu[];
  /** The PDUs and why it ended, as text. */
  readonly shown: string;
}

/** All that comes out; the memory that is asked for is bounded by what came in. */
function frame(chunks: readonly Buffer[], digests: Digests): Framed {
  let allocated = 0;
  let received = 0;
  const framer = new PduFramer(LOGIN_DATA_BYTES);
  framer.enterFullFeature({
    ...{ maxDataBytes: MAX_DATA_BYTES, digests },
    memory: {
      allocate: (bytes) => {
        allocated += bytes;
        return Buffer.alloc(bytes);
      },
      retain: () => undefined,
    },
  });
  const pdus: Pdu[] = [];
  let fault: string | undefined;
  for (const chunk of chunks) {
    received += chunk.length;
    fault = framer.push(chunk, pdus);
    expectThat(allocated <= received + MAX_PDU_BYTES, 'memory beyond what was received', {
      allocated,
      received,
    });
    if (fault !== undefined) break;
  }
  return { pdus, shown: show(pdus, fault) };
}

/** What was cut is encoded again and cut again: nothing got lost or is in another place. */
function expectRoundTrip(pdus: readonly Pdu[], digests: Digests): void {
  const again = frame([streamOf(pdus, digests)], digests);
  const whole = show(
    pdus.map((pdu) => ({ ...pdu, isDamaged: false })),
    undefined,
  );
  expectThat(again.shown === whole, 'what is cut is not what was encoded', { whole, again });
}

function show(pdus: readonly Pdu[], fault: string | undefined): string {
  const texts = pdus.map(({ header, ahs, data, isDamaged }) =>
    [header, ahs, data]
      .map((part) => part.toString('hex'))
      .join(':')
      .concat(isDamaged ? '!' : ''),
  );
  return `${texts.join(' ')} ${fault ?? ''}`;
}
