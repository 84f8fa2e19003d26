import { createHash, timingSafeEqual } from 'node:crypto';

/** Compares without telling, by the time it takes, how much of a guess was right. */
export function isSameSecret(expected: string, got: string): boolean {
  return timingSafeEqual(digest(expected), digest(got));
}

/** Of one length, whatever was given. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
