import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type {
  Informer,
  KubeApi,
  ListQuery,
  MergePatch,
  RemoveOptions,
} from '../../../orchestrator/kubernetes/kube-api.ts';
import type { KubeObject, ObjectName } from '../../../orchestrator/kubernetes/objects.ts';
import { GROUP, type Resource } from '../../../orchestrator/kubernetes/resources.ts';
import { apply, find, kubectl, list } from './kubectl.ts';

/**
 * The resources of the product once more, in a group of their own: a Keelson that runs in the cluster
 * does not see them, so what a test does to them it does alone. To be called before `useNamespace`: a
 * namespace waits for what is in it.
 */
export function useOwnResources(group: string): void {
  beforeAll(async () => {
    await removeOwn(group); // of a run that failed
    const crds = ['volumes', 'rules'].map((plural) => crdOf(plural, group));
    await apply(...crds);
    const names = crds.map(({ metadata }) => `crd/${metadata.name}`);
    await kubectl('wait', '--for=condition=Established', '--timeout=60s', ...names);
  });
  afterAll(() => removeOwn(group));
}

async function removeOwn(group: string): Promise<void> {
  for (const plural of ['volumes', 'rules']) {
    const resource = `${plural}.${group}`;
    if ((await find('crd', resource)) === undefined) continue;
    for (const { metadata } of await list<KubeObject>(resource, { isEverywhere: true })) {
      // What holds an object until its data is gone: there is none.
      const patch = ['--type=merge', '--patch', '{"metadata":{"finalizers":null}}'];
      await kubectl(
        'patch',
        resource,
        metadata.name,
        '--namespace',
        metadata.namespace ?? '',
        ...patch,
      );
    }
    await kubectl('delete', 'crd', resource, '--timeout=50s');
  }
}

interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly group: string };
}

function crdOf(plural: string, group: string): Crd {
  const path = `manifests/kubernetes/base/crds/${plural}.${GROUP}.yaml`;
  const crd = parse(readFileSync(path, 'utf8')) as Crd;
  return {
    ...crd,
    metadata: { name: `${plural}.${group}` },
    spec: { ...crd.spec, group },
  };
}

/** The API with those in the place of the product's own. */
export class OwnResources implements KubeApi {
  readonly #api: KubeApi;
  readonly #group: string;

  constructor(api: KubeApi, group: string) {
    this.#api = api;
    this.#group = group;
  }

  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined> {
    return this.#api.get(this.#own(resource), name);
  }

  list<T extends KubeObject>(resource: Resource<T>, query?: ListQuery): Promise<T[]> {
    return this.#api.list(this.#own(resource), query);
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const own = this.#own(resource);
    return this.#api.create(own, { ...object, apiVersion: own.apiVersion });
  }

  replace<T extends KubeObject>(resource: Resource<T>, object: T, part?: 'status'): Promise<T> {
    const own = this.#own(resource);
    return this.#api.replace(own, { ...object, apiVersion: own.apiVersion }, part);
  }

  patch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: MergePatch,
    part?: 'status',
  ): Promise<T> {
    return this.#api.patch(this.#own(resource), name, patch, part);
  }

  remove<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    options?: RemoveOptions,
  ): Promise<void> {
    return this.#api.remove(this.#own(resource), name, options);
  }

  inform<T extends KubeObject>(resource: Resource<T>, query?: ListQuery): Informer<T> {
    return this.#api.inform(this.#own(resource), query);
  }

  #own<T extends KubeObject>(resource: Resource<T>): Resource<T> {
    const [group, version] = resource.apiVersion.split('/');
    return group === GROUP ? { ...resource, apiVersion: `${this.#group}/${version}` } : resource;
  }
}
