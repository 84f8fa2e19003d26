import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Cryptography } from '../iscsi/chap.ts';

/** What the login phase needs, from node:crypto. */
export const nodeCryptography: Cryptography = {
  randomBytes,
  hash: (name, bytes) => createHash(name).update(bytes).digest(),
  isEqual: timingSafeEqual,
};
