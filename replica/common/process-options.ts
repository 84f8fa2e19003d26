import { KeelsonError } from './errors.ts';

/** What the command lines of controller and replica have in common. */
export const SECRET_VARIABLE = 'KEELSON_VOLUME_SECRET';
const MIN_SECRET_BYTES = 32;

export function readPort(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw invalidOption(`--${name}: expected a port from 0 to 65535, got ${text}`);
  }
  return Number(text);
}

/** Never shows what it was given. */
export function readSecret(text: string | undefined): Buffer {
  const isValid = text !== undefined && /^([0-9a-f]{2})+$/i.test(text);
  const secret = Buffer.from(isValid ? text : '', 'hex');
  if (secret.length < MIN_SECRET_BYTES) {
    throw invalidOption(
      `${SECRET_VARIABLE}: expected at least ${MIN_SECRET_BYTES} bytes in hexadecimal in the environment`,
    );
  }
  return secret;
}

export function invalidOption(message: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `start: ${message}`);
}
