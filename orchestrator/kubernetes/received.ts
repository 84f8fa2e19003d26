import { KeelsonError } from '../../replica/common/errors.ts';
import { isFields, parsed } from './failure.ts';
import type { KubeObject } from './objects.ts';
import type { Resource } from './resources.ts';

const MAX_NAME_CHARS = 253;

/** Errors: UNAVAILABLE when it is not an object of Kubernetes, so nobody has answered us. */
export function objectIn<T extends KubeObject>(
  text: string,
  resource: Resource<T>,
  what: string,
): T {
  const object = asObject(parsed(text), resource);
  if (object === undefined) throw notKubernetes(what);
  return object;
}

export interface Page<T extends KubeObject> {
  readonly objects: readonly T[];
  readonly resourceVersion: string;
  /** Where the next one begins; undefined: there is none. */
  readonly next: string | undefined;
}

/** Errors: as `objectIn`. */
export function pageIn<T extends KubeObject>(
  text: string,
  resource: Resource<T>,
  what: string,
): Page<T> {
  const value = parsed(text);
  if (!isFields(value) || !isFields(value.metadata)) throw notKubernetes(what);
  const { resourceVersion, continue: next } = value.metadata;
  // Go writes a list of nothing as null.
  const items = value.items ?? [];
  if (typeof resourceVersion !== 'string' || !Array.isArray(items)) throw notKubernetes(what);
  const objects = items.map((item) => asObject(item, resource));
  if (!objects.every((object) => object !== undefined)) throw notKubernetes(what);
  return {
    objects,
    resourceVersion,
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
}

/**
 * What every object has is checked, the rest is up to whoever reads it. Those of a list do not say
 * what they are.
 */
export function asObject<T extends KubeObject>(
  value: unknown,
  { apiVersion, kind, isNamespaced }: Resource<T>,
): T | undefined {
  if (!isFields(value) || !isFields(value.metadata)) return undefined;
  const { managedFields: _, ...metadata } = value.metadata;
  const { name, namespace, uid, resourceVersion } = metadata;
  if (!isName(name) || isNamespaced !== isName(namespace)) return undefined;
  if (!isName(uid) || !isName(resourceVersion)) return undefined;
  return { apiVersion, kind, ...value, metadata } as unknown as T;
}

export function notKubernetes(what: string): KeelsonError {
  return new KeelsonError(
    'UNAVAILABLE',
    `${what}: expected an answer of a Kubernetes API server, got something else`,
  );
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_CHARS;
}
