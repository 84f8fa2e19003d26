import type { SeededRandom } from '../support/random.ts';

/** Something that takes bytes from outside, and what must hold whatever they are. */
export interface FuzzTarget {
  /** Also how its corpus files begin. */
  readonly name: string;
  /** One input: mostly as it should be, so that it gets far, and wrong in a few places. */
  generate(random: SeededRandom): Buffer;
  /** Throws when something does not hold. The same input always does the same. */
  check(input: Buffer): void;
}

/** Throws with `what` and, where there is more to say, with the values that differ. */
export function expectThat(holds: boolean, what: string, facts?: unknown): asserts holds {
  if (!holds) throw new Error(facts === undefined ? what : `${what}: ${JSON.stringify(facts)}`);
}
