import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Errors: INVALID_ARGUMENT. */
export function parseValues(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        data: { type: 'string' },
        nodes: { type: 'string' },
        'api-port': { type: 'string' },
        listen: { type: 'string' },
        'require-token': { type: 'boolean' },
        'replace-after': { type: 'string' },
        'no-demo': { type: 'boolean' },
        platform: { type: 'string' },
        node: { type: 'string', multiple: true },
        advertise: { type: 'string' },
        'network-prefix': { type: 'string' },
        'name-prefix': { type: 'string' },
        'image-prefix': { type: 'string' },
        'image-tag': { type: 'string' },
        namespace: { type: 'string' },
        'node-selector': { type: 'string' },
        'data-root': { type: 'string' },
        provisioner: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    const reason = messageOf(cause).split('. ')[0] ?? '';
    throw new KeelsonError('INVALID_ARGUMENT', `${reason}; see --help`, { cause });
  }
}

export type Values = ReturnType<typeof parseValues>;

export function invalid(message: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `${message}; see --help`);
}

export function readAddress(option: string, text: string): string {
  if (isIP(text) !== 0) return text;
  const got = text.slice(0, 80);
  throw invalid(`${option}: expected an IP address such as 0.0.0.0, got ${got}`);
}

export function readNumber(
  option: string,
  text: string,
  [min, max]: readonly [number, number],
): number {
  const value = Number(text);
  if (/^\d{1,5}$/.test(text) && value >= min && value <= max) return value;
  const got = text.slice(0, 40);
  throw invalid(`${option}: expected a whole number from ${min} to ${max}, got ${got}`);
}
