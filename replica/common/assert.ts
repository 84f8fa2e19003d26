/**
 * Stops on our own bugs. Stays on in production: a storage process that has lost track of its
 * state must not go on. Never use it on what a peer, a file or an operator says.
 *
 * @param facts values worth seeing in the crash report
 */
export function assert(
  condition: boolean,
  message: string,
  facts?: Readonly<Record<string, unknown>>,
): asserts condition {
  if (!condition) throw new AssertionFailure(message, facts);
}

/** Ends a `switch` over a union: the type checker proves that no case is missing. */
export function unreachable(value: never, what: string): never {
  throw new AssertionFailure(`unexpected ${what}`, { value });
}

export class AssertionFailure extends Error {
  constructor(message: string, facts?: Readonly<Record<string, unknown>>) {
    super(facts === undefined ? message : `${message}: ${JSON.stringify(facts)}`);
    this.name = 'AssertionFailure';
  }
}
