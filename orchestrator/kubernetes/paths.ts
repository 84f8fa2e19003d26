import { assert } from '../../replica/common/assert.ts';
import type { ListQuery } from './kube-api.ts';
import type { KubeObject, ObjectName } from './objects.ts';
import type { Resource } from './resources.ts';

/** Of all objects, or of those in one namespace. */
export function collectionPath<T extends KubeObject>(
  { apiVersion, plural, isNamespaced }: Resource<T>,
  namespace: string | undefined,
): string {
  const isCore = !apiVersion.includes('/');
  const root = isCore ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  assert(isNamespaced || namespace === undefined, `${plural} have no namespace`);
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${within}/${plural}`;
}

export function objectPath<T extends KubeObject>(
  resource: Resource<T>,
  { namespace, name }: ObjectName,
  part?: 'status',
): string {
  assert(name !== '', `an object of ${resource.plural} has a name`);
  assert(!resource.isNamespaced || namespace !== undefined, `${resource.plural} have a namespace`);
  const path = `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`;
  return part === undefined ? path : `${path}/${part}`;
}

/** With the leading `?`; empty without parameters. */
export function queryText(
  { labels, name }: ListQuery,
  more: Readonly<Record<string, string | undefined>> = {},
): string {
  const selector = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const all = {
    ...(selector.length === 0 ? {} : { labelSelector: selector.join(',') }),
    ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
    ...more,
  };
  const given = Object.entries(all).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined;
  });
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** As people name it: `Pod demo/web`, `Node n1`, `pods`. */
export function describeObject<T extends KubeObject>(
  { kind }: Resource<T>,
  { namespace, name }: ObjectName,
): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}
