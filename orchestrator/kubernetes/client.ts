import { assert } from '../../replica/common/assert.ts';
import { type Access, findAccess } from './access.ts';
import { failureFrom, isMissing, statusOf } from './failure.ts';
import { KubeInformer } from './informer.ts';
import type { Informer, KubeApi, ListQuery, MergePatch, RemoveOptions } from './kube-api.ts';
import { Lister } from './lister.ts';
import type { KubeObject, ObjectName } from './objects.ts';
import { collectionPath, describeObject, objectPath } from './paths.ts';
import { objectIn } from './received.ts';
import { type Resource, SECRETS } from './resources.ts';
import {
  type Answer,
  type Asked,
  TRANSPORT_LIMITS,
  Transport,
  type TransportLimits,
} from './transport.ts';

/** Errors: FAILED_PRECONDITION when nothing says where a cluster is. It need not answer yet. */
export async function connectKube(): Promise<KubeClient> {
  return new KubeClient(await findAccess());
}

type Verb = 'get' | 'create' | 'replace' | 'patch' | 'remove';

/** One API server. What it returns has no `managedFields`, which the server keeps by itself. */
export class KubeClient implements KubeApi {
  readonly #transport: Transport;
  readonly #informers = new Set<{ close(): void }>();

  constructor(access: Access, limits: TransportLimits = TRANSPORT_LIMITS) {
    this.#transport = new Transport(access, limits);
  }

  /** All requests that were sent since the start, watches included. */
  get requestCount(): number {
    return this.#transport.requestCount;
  }

  /** Ends its informers, and all that is under way. */
  close(): void {
    for (const informer of this.#informers) informer.close();
    this.#informers.clear();
    this.#transport.close();
  }

  async get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined> {
    const answer = await this.#ask('get', resource, name, {
      method: 'GET',
      path: objectPath(resource, name),
    });
    if (answer.status === 404 && isMissing(statusOf(answer))) return undefined;
    return this.#objectIn('get', resource, name, answer);
  }

  async list<T extends KubeObject>(resource: Resource<T>, query: ListQuery = {}): Promise<T[]> {
    return [...(await new Lister(this.#transport, resource, query).list()).objects];
  }

  async create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const { metadata } = object;
    const { plural, isNamespaced } = resource;
    assert(!isNamespaced || metadata.namespace !== undefined, `${plural} have a namespace`);
    const answer = await this.#ask('create', resource, metadata, {
      method: 'POST',
      path: collectionPath(resource, metadata.namespace),
      body: json({ ...head(resource), ...object }),
    });
    return this.#objectIn('create', resource, metadata, answer);
  }

  async replace<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    part?: 'status',
  ): Promise<T> {
    const { metadata } = object;
    const answer = await this.#ask('replace', resource, metadata, {
      method: 'PUT',
      path: objectPath(resource, metadata, part),
      body: json({ ...head(resource), ...object }),
    });
    return this.#objectIn('replace', resource, metadata, answer);
  }

  async patch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: MergePatch,
    part?: 'status',
  ): Promise<T> {
    const answer = await this.#ask('patch', resource, name, {
      method: 'PATCH',
      path: objectPath(resource, name, part),
      body: json(patch, 'application/merge-patch+json'),
    });
    return this.#objectIn('patch', resource, name, answer);
  }

  async remove<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    { uid, graceSeconds, propagation = 'background' }: RemoveOptions = {},
  ): Promise<void> {
    const answer = await this.#ask('remove', resource, name, {
      method: 'DELETE',
      path: objectPath(resource, name),
      body: json({
        ...{ kind: 'DeleteOptions', apiVersion: 'v1' },
        propagationPolicy: PROPAGATION[propagation],
        ...(uid === undefined ? {} : { preconditions: { uid } }),
        ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
      }),
    });
    if (answer.status < 300) return;
    const status = statusOf(answer);
    if (isMissing(status)) return;
    if (status.code === 409 && uid !== undefined) {
      // Somebody else's of that name, or one that changed while the server looked at it?
      const now = await this.get(resource, name);
      if (now?.metadata.uid !== uid) return;
    }
    throw failureFrom(status, context('remove', resource, name));
  }

  inform<T extends KubeObject>(resource: Resource<T>, query: ListQuery = {}): Informer<T> {
    const informer = new KubeInformer(new Lister(this.#transport, resource, query), {
      onClose: () => this.#informers.delete(informer),
    });
    this.#informers.add(informer);
    return informer;
  }

  async #ask<T extends KubeObject>(
    verb: Verb,
    resource: Resource<T>,
    name: ObjectName,
    asked: Asked,
  ): Promise<Answer> {
    return await this.#transport.request(asked, context(verb, resource, name).what);
  }

  #objectIn<T extends KubeObject>(
    verb: Verb,
    resource: Resource<T>,
    name: ObjectName,
    answer: Answer,
  ): T {
    const about = context(verb, resource, name);
    if (answer.status >= 300) throw failureFrom(statusOf(answer), about);
    return objectIn(answer.text, resource, about.what);
  }
}

const PROPAGATION = {
  foreground: 'Foreground',
  background: 'Background',
  orphan: 'Orphan',
} as const satisfies Record<NonNullable<RemoveOptions['propagation']>, string>;

function head<T extends KubeObject>({ apiVersion, kind }: Resource<T>): object {
  return { apiVersion, kind };
}

function json(value: unknown, type = 'application/json'): { type: string; text: string } {
  return { type, text: JSON.stringify(value) };
}

function context<T extends KubeObject>(
  verb: Verb,
  resource: Resource<T>,
  name: ObjectName,
): { what: string; isSecret: boolean } {
  const what = `${verb} ${describeObject(resource, name)}`;
  return { what, isSecret: resource.kind === SECRETS.kind };
}
