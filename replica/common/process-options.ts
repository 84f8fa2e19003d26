import { parseArgs } from 'node:util';
import { KeelsonError, messageOf } from './errors.ts';

/** What the command lines of controller and replica have in common. */
export const SECRET_VARIABLE = 'KEELSON_VOLUME_SECRET';
const MIN_SECRET_BYTES = 32;

export interface CommandLine<Name extends string> {
  /** Errors: INVALID_ARGUMENT when it is missing or empty. */
  required(name: Name): string;
  optional(name: Name): string | undefined;
}

/** Reads `--name value`, for these names and no others. Errors: INVALID_ARGUMENT. */
export function readCommandLine<Name extends string>(
  args: readonly string[],
  names: readonly Name[],
): CommandLine<Name> {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' } as const]));
  let values: Readonly<Record<string, string | undefined>>;
  try {
    values = parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw invalidOption(messageOf(error));
  }
  return {
    optional: (name) => values[name],
    required(name) {
      const value = values[name];
      if (value === undefined || value === '') {
        throw invalidOption(`--${name}: expected a value, got none`);
      }
      return value;
    },
  };
}

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
