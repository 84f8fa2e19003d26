/** JSON Schema (draft 2020-12), as far as OpenAPI 3.1 needs it for this API. */
export interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: SchemaType | readonly SchemaType[];
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly Schema[];
  readonly default?: unknown;
}

export type SchemaType = 'string' | 'integer' | 'boolean' | 'object' | 'array' | 'null';

type OptionalKey<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never;
}[keyof T];

/**
 * An object with exactly these fields. The compiler sees to it that each field of `T` is described,
 * that nothing else is, and that `optional` names the fields that may be missing.
 */
export function objectOf<T>(
  description: string,
  properties: Readonly<Record<keyof T & string, Schema>>,
  optional: readonly (OptionalKey<T> & string)[] = [],
): Schema {
  const names = Object.keys(properties);
  const required = names.filter((name) => !(optional as readonly string[]).includes(name));
  return {
    description,
    type: 'object',
    properties,
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

export function listOf(items: Schema, rest: Schema = {}): Schema {
  return { ...rest, type: 'array', items };
}

export function text(description: string, rest: Schema = {}): Schema {
  return { description, type: 'string', ...rest };
}

export function flag(description: string, rest: Schema = {}): Schema {
  return { description, type: 'boolean', ...rest };
}

export function count(description: string, rest: Schema = {}): Schema {
  return { description, type: 'integer', minimum: 0, ...rest };
}

export function oneOf(description: string, choices: readonly string[], rest: Schema = {}): Schema {
  return { description, type: 'string', enum: choices, ...rest };
}

export function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] };
}

/** The same, for a reader that passes over fields that it does not know. */
export function tolerant(schema: Schema): Schema {
  const { properties, additionalProperties, anyOf, ...rest } = schema;
  return {
    ...rest,
    ...(properties === undefined ? {} : { properties: mapValues(properties, tolerant) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(tolerant) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: tolerant(additionalProperties) }
      : {}),
  };
}

function mapValues<T>(
  fields: Readonly<Record<string, T>>,
  map: (value: T) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, map(value)]));
}

/** One of the components of the document (schemas/components.ts). */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}
