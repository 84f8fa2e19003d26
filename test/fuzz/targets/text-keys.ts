import { Negotiation } from '../../../controller/iscsi/negotiation.ts';
import { decodeNumber, decodeText, encodeText } from '../../../controller/iscsi/text-keys.ts';
import type { SeededRandom } from '../../support/random.ts';
import { anyText } from '../login-texts.ts';
import { mutate } from '../mutate.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

/** RFC 7143 section 13: what a session may agree on at all. */
const MAX_SEGMENT = 2 ** 24 - 1;

/** Input: the text of a login or text request. */
export const textKeys: FuzzTarget = {
  name: 'text-keys',

  generate(random: SeededRandom): Buffer {
    return mutate(anyText(random), random);
  },

  check(input: Buffer): void {
    const pairs = decodeText(input);
    if (pairs === undefined) return;
    const again = decodeText(encodeText(pairs));
    expectThat(
      JSON.stringify(again) === JSON.stringify(pairs),
      'pairs that are encoded and decoded are others',
      { pairs, again },
    );
    const negotiation = new Negotiation();
    for (const [key, value] of pairs) {
      const number = decodeNumber(value);
      expectThat(number === undefined || Number.isSafeInteger(number), 'a number is none', value);
      const offer = negotiation.offer(key, value);
      const answer = offer === 'again' ? undefined : offer.answer;
      // An answer never repeats what a peer may make as long as it likes, and never breaks the text.
      expectThat((answer ?? '').length <= 64, 'a long answer', { key, answer });
      expectThat(!(answer ?? '').includes('\0'), 'an answer holds a NUL', { key, answer });
      negotiation.offerLater(key, value);
    }
    const agreed = negotiation.parameters();
    const lengths = [
      agreed.maxRecvDataSegmentLength,
      agreed.maxBurstLength,
      agreed.firstBurstLength,
    ];
    for (const length of lengths) {
      expectThat(
        length >= 512 && length <= MAX_SEGMENT,
        'an agreed length is out of range',
        agreed,
      );
    }
    const { maxOutstandingR2T } = agreed;
    expectThat(maxOutstandingR2T >= 1 && maxOutstandingR2T <= 65_535, 'no R2T is allowed', agreed);
  },
};
