import type { KubeObject, ObjectName } from './objects.ts';
import type { Resource } from './resources.ts';

/**
 * What we use of the Kubernetes API. Errors of every call: NOT_FOUND, ALREADY_EXISTS, CONFLICT
 * (somebody changed it before us), FAILED_PRECONDITION (forbidden), INVALID_ARGUMENT (refused as
 * invalid, with the server's own words), UNAVAILABLE (no answer, or not now).
 */
export interface KubeApi {
  /** undefined when it does not exist. Read by quorum, so never older than any earlier answer. */
  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined>;
  list<T extends KubeObject>(resource: Resource<T>, query?: ListQuery): Promise<T[]>;
  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  /** Whole; with `metadata.resourceVersion` only if it still has that one. */
  replace<T extends KubeObject>(resource: Resource<T>, object: T, part?: 'status'): Promise<T>;
  /** A JSON merge patch (RFC 7396). */
  patch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: MergePatch,
    part?: 'status',
  ): Promise<T>;
  /** Whatever is gone already is fine. */
  remove<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    options?: RemoveOptions,
  ): Promise<void>;
  /** Lists once and watches from then on; see informer.ts. */
  inform<T extends KubeObject>(resource: Resource<T>, query?: ListQuery): Informer<T>;
}

export interface ListQuery {
  /** undefined: of all. */
  readonly namespace?: string;
  /** All of them, as `a=b,c=d`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Only the object of that name. */
  readonly name?: string;
}

export interface RemoveOptions {
  /** Only if it is still this one: of that name another may exist by now. */
  readonly uid?: string;
  /** 0: at once, without waiting for its node. */
  readonly graceSeconds?: number;
  /** `foreground`: it stays until everything that it owns is gone. The default is background. */
  readonly propagation?: 'foreground' | 'background' | 'orphan';
}

export type MergePatch = { readonly [field: string]: unknown };

/** What there is of one resource, as the server told it last. */
export interface Informer<T extends KubeObject> {
  /** Resolves when the first list is there. Tries until then; rejects only when it was closed. */
  readonly ready: Promise<void>;
  /** Set while the server does not answer: since when, and why, in one sentence. */
  readonly down: { readonly sinceMs: number; readonly reason: string } | undefined;
  get(name: ObjectName): T | undefined;
  all(): readonly T[];
  /** Takes in what a call of ours has just returned, so that nobody sees an older one after it. */
  note(object: T): void;
  /** As `note`, of one that is gone. With a uid, such as that of its metadata, only of that one. */
  noteGone(name: ObjectName & { readonly uid?: string }, uid?: string): void;
  /** Told of every change, each object once per version; `after` undefined: it is gone. */
  subscribe(listener: (change: Change<T>) => void): void;
  close(): void;
}

export interface Change<T extends KubeObject> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}
