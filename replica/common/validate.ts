import { KeelsonError } from './errors.ts';

/**
 * Readers for what comes from outside as JSON: each names the field, what was expected and what
 * was found, and throws INVALID_ARGUMENT.
 */
export type Fields = Readonly<Record<string, unknown>>;

export function readObject(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(what, 'an object', value);
  }
  return value as Fields;
}

export function readString(fields: Fields, name: string, limit = 1024): string {
  const value = fields[name];
  if (typeof value !== 'string' || value.length === 0 || value.length > limit) {
    throw invalid(name, `a string of 1 to ${limit} characters`, value);
  }
  return value;
}

/** Like `readString`, but it may be empty. */
export function readText(fields: Fields, name: string, limit: number): string {
  return fields[name] === '' ? '' : readString(fields, name, limit);
}

export function readStringOrNull(fields: Fields, name: string): string | null {
  return fields[name] === null ? null : readString(fields, name);
}

/** A whole number in `[min, max]`, within the safe integers. */
export function readInteger(
  fields: Fields,
  name: string,
  range: { min: number; max: number },
): number {
  const value = fields[name];
  if (
    !Number.isSafeInteger(value) ||
    (value as number) < range.min ||
    (value as number) > range.max
  ) {
    throw invalid(name, `a whole number from ${range.min} to ${range.max}`, value);
  }
  return value as number;
}

export function readBoolean(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value);
  return value;
}

export function readOneOf<T extends string>(
  fields: Fields,
  name: string,
  choices: readonly T[],
): T {
  const value = fields[name];
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw invalid(name, `one of ${choices.join(', ')}`, value);
  return choice;
}

export function readArray(fields: Fields, name: string, limit: number): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value) || value.length > limit) {
    throw invalid(name, `a list of at most ${limit} entries`, value);
  }
  return value;
}

export function readStrings(fields: Fields, name: string, limit: number): readonly string[] {
  const values = readArray(fields, name, limit);
  return values.map((_, index) => readString({ [name]: values[index] }, name));
}

/** Parses JSON text, with INVALID_ARGUMENT instead of a SyntaxError. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KeelsonError('INVALID_ARGUMENT', `${what}: expected JSON`, { cause });
  }
}

function invalid(what: string, expected: string, got: unknown): KeelsonError {
  const shown = got === undefined ? 'nothing' : JSON.stringify(got)?.slice(0, 80);
  return new KeelsonError('INVALID_ARGUMENT', `${what}: expected ${expected}, got ${shown}`);
}
