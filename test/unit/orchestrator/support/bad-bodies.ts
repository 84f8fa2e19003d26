import { API_DOCUMENT, type JsonSchema } from '../../../support/api-document.ts';

/** A body that breaks one rule of its schema. */
export interface BadBody {
  readonly body: unknown;
  /** Where, from the outside in; none: it is the body itself. */
  readonly path: readonly string[];
}

/** From a good body: each rule of the schema broken once. */
export function badBodies(component: string, good: unknown): BadBody[] {
  const schema = resolve({ $ref: `#/components/schemas/${component}` });
  return ofValue(schema, good);
}

export type Fields = Readonly<Record<string, unknown>>;

function inObject(schema: JsonSchema, good: Fields): BadBody[] {
  const { properties = {}, required = [], additionalProperties } = schema;
  const surplus = { body: { ...good, surplus: 1 }, path: ['surplus'] };
  const missing = required.map((name) => {
    const { [name]: _, ...rest } = good;
    return { body: rest, path: [name] };
  });
  const others = typeof additionalProperties === 'object' ? Object.keys(good) : [];
  const inner = [
    ...Object.entries(properties),
    ...others.map((name) => [name, additionalProperties as JsonSchema] as const),
  ].flatMap(([name, value]) =>
    ofValue(resolve(value), good[name]).map(({ body, path }) => ({
      ...{ body: { ...good, [name]: body }, path: [name, ...path] },
    })),
  );
  return [...(additionalProperties === false ? [surplus] : []), ...missing, ...inner];
}

/** From a good body: each number at its limits, and each word that may stand where one does. */
export function edgeBodies(component: string, good: Fields): unknown[] {
  const { properties = {} } = resolve({ $ref: `#/components/schemas/${component}` });
  return Object.entries(properties).flatMap(([name, schema]) => {
    const { minimum, maximum, enum: choices = [] } = resolve(schema);
    return [minimum, maximum, ...choices]
      .filter((value) => value !== undefined)
      .map((value) => ({ ...good, [name]: value }));
  });
}

/** What is none of the values that the schema allows. */
function ofValue(schema: JsonSchema, good: unknown): BadBody[] {
  const { anyOf, type, maximum, minimum, maxLength, pattern, enum: choices } = schema;
  if (anyOf !== undefined) {
    // Of one thing or null.
    const [inner = {}] = anyOf;
    return ofValue(resolve(inner), good).filter(({ body }) => body !== null);
  }
  const bad: unknown[] = [{ object: 1 }, 1.5, 'text', true, ['list'], null].filter(
    (value) => !isOfType(value, type),
  );
  if (maximum !== undefined) bad.push(maximum + 1);
  if (minimum !== undefined) bad.push(minimum - 1);
  if (maxLength !== undefined) bad.push('x'.repeat(maxLength + 1));
  if (pattern !== undefined) bad.push('-', '../..');
  if (choices !== undefined) bad.push('none of them');
  const here = bad.map((body) => ({ body, path: [] }));
  if (type !== 'object' || good === null || typeof good !== 'object') return here;
  return [...here, ...inObject(schema, good as Fields)];
}

function isOfType(value: unknown, type: string | undefined): boolean {
  switch (type) {
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function resolve(schema: JsonSchema): JsonSchema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.slice('#/components/schemas/'.length);
  return API_DOCUMENT.components.schemas[name] ?? {};
}
