import { randomInt } from 'node:crypto';
import { KeelsonError } from '../../replica/common/errors.ts';
import { failureFrom, isFields, parsed, statusIn, statusOf } from './failure.ts';
import type { ListQuery } from './kube-api.ts';
import type { KubeObject } from './objects.ts';
import { collectionPath, queryText } from './paths.ts';
import { asObject, notKubernetes, pageIn } from './received.ts';
import { type Resource, SECRETS } from './resources.ts';
import type { Transport } from './transport.ts';

const PAGE_OBJECTS = 500;

/** Half a million objects. */
const MAX_PAGES = 1000;

/** How often a list is begun anew that took too long: the server forgets after five minutes. */
const MAX_LISTS = 3;

/** The server ends a watch after so long, each another time, or all would come back at once. */
const WATCH_SECONDS = { min: 300, max: 600 };

export interface Listed<T extends KubeObject> {
  readonly objects: readonly T[];
  /** As of which a watch goes on. */
  readonly resourceVersion: string;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: 'changed' | 'gone'; readonly object: T }
  /** Nothing older comes any more. */
  | { readonly type: 'bookmark'; readonly resourceVersion: string }
  /** What has been seen may not be all. */
  | { readonly type: 'broken'; readonly error: KeelsonError };

/** All objects of one kind that a query finds, and what becomes of them. */
export class Lister<T extends KubeObject> {
  readonly #transport: Transport;
  readonly #resource: Resource<T>;
  readonly #query: ListQuery;

  constructor(transport: Transport, resource: Resource<T>, query: ListQuery) {
    this.#transport = transport;
    this.#resource = resource;
    this.#query = query;
  }

  /** By quorum, so not older than any earlier answer. */
  async list(): Promise<Listed<T>> {
    for (let listsLeft = MAX_LISTS - 1; ; listsLeft -= 1) {
      try {
        return await this.#listOnce();
      } catch (error) {
        const isExpired = error instanceof KeelsonError && error.code === 'CONFLICT';
        if (!isExpired || listsLeft === 0) throw error;
      }
    }
  }

  /**
   * From `resourceVersion` on, until the server ends it or `signal` does.
   *
   * Errors: as those of every call; CONFLICT when the server does not remember that version.
   */
  async *watch(
    resourceVersion: string,
    { signal, onOpen }: { signal: AbortSignal; onOpen: () => void },
  ): AsyncGenerator<WatchEvent<T>> {
    const about = this.#about('watch');
    const path = `${collectionPath(this.#resource, this.#query.namespace)}${queryText(this.#query, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(randomInt(WATCH_SECONDS.min, WATCH_SECONDS.max)),
    })}`;
    const lines = this.#transport.watch(path, about.what, {
      signal,
      onOpen,
      onRefused: (answer) => {
        throw failureFrom(statusOf(answer), about);
      },
    });
    for await (const line of lines) yield this.#eventIn(line, about);
  }

  async #listOnce(): Promise<Listed<T>> {
    const about = this.#about('list');
    const objects: T[] = [];
    let next: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const more = { limit: String(PAGE_OBJECTS), continue: next };
      const path = collectionPath(this.#resource, this.#query.namespace);
      const asked = { method: 'GET', path: `${path}${queryText(this.#query, more)}` } as const;
      const answer = await this.#transport.request(asked, about.what);
      if (answer.status !== 200) throw failureFrom(statusOf(answer), about);
      const found = pageIn(answer.text, this.#resource, about.what);
      for (const object of found.objects) objects.push(object);
      if (found.next === undefined) return { objects, resourceVersion: found.resourceVersion };
      next = found.next;
    }
    const limit = PAGE_OBJECTS * MAX_PAGES;
    throw new KeelsonError('UNAVAILABLE', `${about.what}: there are more than ${limit}`);
  }

  #eventIn(line: string, about: About): WatchEvent<T> {
    const event = parsed(line);
    if (!isFields(event) || !isFields(event.object)) throw notKubernetes(about.what);
    const { type, object: value } = event;
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
      case 'DELETED': {
        const object = asObject(value, this.#resource);
        if (object === undefined) throw notKubernetes(about.what);
        return { type: type === 'DELETED' ? 'gone' : 'changed', object };
      }
      case 'BOOKMARK': {
        const { metadata } = event.object;
        const version = isFields(metadata) ? metadata.resourceVersion : undefined;
        if (typeof version !== 'string' || version === '') throw notKubernetes(about.what);
        return { type: 'bookmark', resourceVersion: version };
      }
      default: {
        const status = statusIn(value);
        const error = status && failureFrom(status, about);
        return { type: 'broken', error: error ?? notKubernetes(about.what) };
      }
    }
  }

  #about(verb: 'list' | 'watch'): About {
    const { kind, plural } = this.#resource;
    const { namespace } = this.#query;
    const what = `${verb} ${plural}${namespace === undefined ? '' : ` in namespace ${namespace}`}`;
    return { what, isSecret: kind === SECRETS.kind };
  }
}

interface About {
  readonly what: string;
  readonly isSecret: boolean;
}
