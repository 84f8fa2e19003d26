/** A corpus file is to be read by people; beyond this time it is as small as it gets. */
const TIME_LIMIT_MS = 20_000;

/**
 * Makes an input that fails smaller, and what is left of it simpler, as long as it still fails.
 * Removes runs of bytes, from half of it down to single ones, then puts zeros in place of bytes.
 */
export function shrink(input: Buffer, fails: (candidate: Buffer) => boolean): Buffer {
  const giveUpAtMs = performance.now() + TIME_LIMIT_MS;
  let smallest = input;
  const attempt = (candidate: Buffer): boolean => {
    if (performance.now() > giveUpAtMs || !fails(candidate)) return false;
    smallest = candidate;
    return true;
  };
  for (let before = Number.POSITIVE_INFINITY; smallest.length < before; ) {
    before = smallest.length;
    for (let run = before >> 1; run >= 1; run >>= 1) {
      // From the end: what comes last matters least.
      for (let at = smallest.length - run; at >= 0; at -= run) {
        attempt(Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + run)]));
      }
    }
  }
  for (let at = 0; at < smallest.length; at += 1) {
    if (smallest[at] === 0) continue;
    const candidate = Buffer.from(smallest);
    candidate[at] = 0;
    attempt(candidate);
  }
  return smallest;
}
