import { assert } from '../../replica/common/assert.ts';
import { parseVolumeName, type VolumeName } from '../model/volume.ts';
import type { Call, Options } from './command.ts';
import { UsageError } from './errors.ts';

/** Options that several commands have. */
export const NAMESPACE = {
  namespace: {
    type: 'text',
    short: 'n',
    value: 'NAMESPACE',
    about: 'default: default; a NAME may say it as well: NAMESPACE/NAME',
  },
} as const satisfies Options;

/** The same, where no namespace means all of them. */
export const NAMESPACE_OR_ALL = {
  namespace: { type: 'text', short: 'n', value: 'NAMESPACE', about: 'default: all' },
} as const satisfies Options;

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600 };

/** The one name that the table of commands asked for. */
export function nameIn({ names: [name] }: Pick<Call, 'names'>): string {
  assert(name !== undefined, 'the number of names was checked');
  return name;
}

/**
 * What is addressed as NAME or NAMESPACE/NAME: a volume or a rule.
 *
 * Errors: UsageError when it is no address; INVALID_ARGUMENT for a name that is none.
 */
export function addressIn(text: string, namespace: string | undefined): VolumeName {
  if (text.split('/').length > 2) {
    throw new UsageError(`${text}: expected NAME or NAMESPACE/NAME`);
  }
  if (namespace !== undefined && text.includes('/')) {
    throw new UsageError(`give the namespace once, in ${text} or as --namespace`);
  }
  return parseVolumeName(text, namespace);
}

/** Reads `KEY=VALUE` again and again. Errors: UsageError. */
export function parseLabels(option: string, texts: readonly string[]): Record<string, string> {
  const labels = new Map<string, string>();
  for (const text of texts) {
    const separatorIndex = text.indexOf('=');
    if (separatorIndex < 1) throw new UsageError(`--${option}: expected KEY=VALUE, got ${text}`);
    const key = text.slice(0, separatorIndex);
    const value = text.slice(separatorIndex + 1);
    const other = labels.get(key);
    if (other !== undefined && other !== value) {
      throw new UsageError(`--${option} ${key}: given as ${other} and as ${value}`);
    }
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}

/** Reads `90`, `90s`, `5m` or `2h`. Units: milliseconds. Errors: UsageError. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d{1,9})(s|m|h|)$/.exec(text);
  const unitSeconds = UNIT_SECONDS[match?.[2] ?? 'none'];
  if (match === null || unitSeconds === undefined) {
    throw new UsageError(`--${option}: expected a time such as 90s, 5m or 2h, got ${text}`);
  }
  return Number(match[1]) * unitSeconds * 1000;
}

/** Reads a whole number. Errors: UsageError. */
export function parseNumber(
  option: string,
  text: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`--${option}: expected a whole number from ${min} to ${max}, got ${text}`);
}
