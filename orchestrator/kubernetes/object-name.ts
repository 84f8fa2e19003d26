import type { ObjectName } from './objects.ts';

/** `namespace/name`: an object of ours as the registry addresses it. */
export function addressOfObject({ namespace = '', name }: ObjectName): string {
  return `${namespace}/${name}`;
}

export function objectNameOf(address: string): ObjectName {
  const [namespace = '', name = ''] = address.split('/');
  return { namespace, name };
}
