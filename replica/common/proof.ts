import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Shows that the sender of a HELLO or WELCOME holds the volume's secret: HMAC-SHA-256 over the
 * other side's nonce, as the text it was sent as, and the JSON bytes that follow the proof. JSON
 * begins with a brace, which no nonce contains, so the two cannot run into each other.
 */
export function makeProof(secret: Buffer, nonce: string, json: Buffer): Buffer {
  return createHmac('sha256', secret).update(nonce, 'utf8').update(json).digest();
}

/** Whether `proof` is the right one; takes the same time wherever the first wrong byte is. */
export function isProofValid(proof: Buffer, expected: Buffer): boolean {
  return proof.length === expected.length && timingSafeEqual(proof, expected);
}
