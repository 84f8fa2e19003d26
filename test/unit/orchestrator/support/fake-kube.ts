import type {
  Informer,
  KubeApi,
  ListQuery,
  MergePatch,
  RemoveOptions,
} from '../../../../orchestrator/kubernetes/kube-api.ts';
import type {
  KubeObject,
  Metadata,
  ObjectName,
} from '../../../../orchestrator/kubernetes/objects.ts';
import { PODS, type Resource } from '../../../../orchestrator/kubernetes/resources.ts';
import { type ErrorCode, KeelsonError } from '../../../../replica/common/errors.ts';
import { FakeInformer } from './fake-informer.ts';

/** A call that changes something, as `replace volumes/status default/data`. */
export type CallText = string;

/** Told of every change of the server, in order; `after` undefined: it is gone. */
export type Watcher = (plural: string, before: Whole | undefined, after: Whole | undefined) => void;

/** An object with everything that may be in one. */
export type Whole = KubeObject & { readonly [part: string]: unknown };

/** Whose status is changed through its subresource alone. */
const WITH_STATUS: readonly string[] = [
  ...['volumes', 'rules', 'pods', 'services', 'deployments', 'nodes'],
  ...['persistentvolumeclaims', 'persistentvolumes'],
];

/** Made up, and always the same: nothing here depends on the time. */
const TIME = '2026-11-21T12:00:00Z';

/**
 * The API server in memory, with its rules: a resourceVersion for every change and none for a change
 * that changes nothing, compare-and-swap by it, the status apart, finalizers, uids, merge patches.
 */
export class FakeKube {
  readonly #objects = new Map<string, Whole>();
  readonly #watchers = new Set<Watcher>();
  #lastVersion = 1000;
  #lastUid = 0;
  /** Pods that are deleted stay, with a deletionTimestamp, until somebody removes them at once. */
  hasKubelets = false;

  /** One who talks to it, such as one pod of the orchestrator. */
  client(): FakeClient {
    return new FakeClient(this);
  }

  /** As it is, status included; for what a test needs to be there. */
  put<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const before = this.#objects.get(keyOf(resource, object.metadata));
    const asked = { ...clone(before ?? {}), ...clone(object) };
    return this.#store(resource, before, asked as unknown as Whole) as unknown as T;
  }

  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): T | undefined {
    const object = this.#objects.get(keyOf(resource, name));
    return object === undefined ? undefined : (clone(object) as unknown as T);
  }

  list<T extends KubeObject>(resource: Resource<T>, query: ListQuery = {}): T[] {
    const found = [...this.#objects].filter(
      ([key, object]) => key.startsWith(`${resource.plural} `) && isAskedFor(object, query),
    );
    return found.map(([, object]) => clone(object) as unknown as T);
  }

  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const key = keyOf(resource, object.metadata);
    if (this.#objects.has(key)) throw fault('ALREADY_EXISTS', `create ${key}: it exists`);
    const { status, ...rest } = clone(object) as unknown as Whole;
    const hasStatus = WITH_STATUS.includes(resource.plural);
    const made = hasStatus || status === undefined ? rest : { ...rest, status };
    return this.#store(resource, undefined, made as Whole) as unknown as T;
  }

  replace<T extends KubeObject>(resource: Resource<T>, object: T, part?: 'status'): T {
    const before = this.#require(resource, object.metadata);
    checkVersion(before, object.metadata);
    return this.#change(resource, before, clone(object) as unknown as Whole, part) as unknown as T;
  }

  patch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: MergePatch,
    part?: 'status',
  ): T {
    const before = this.#require(resource, name);
    checkVersion(before, (patch.metadata ?? {}) as Partial<Metadata>);
    const after = mergePatch(clone(before), clone(patch)) as Whole;
    return this.#change(resource, before, after, part) as unknown as T;
  }

  remove<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    { uid, graceSeconds }: RemoveOptions = {},
  ): void {
    const before = this.#objects.get(keyOf(resource, name));
    if (before === undefined) return;
    if (uid !== undefined && before.metadata.uid !== uid) return; // the one that was meant is gone
    const isHeld = (before.metadata.finalizers ?? []).length > 0;
    const ends = resource.plural === PODS.plural && this.hasKubelets && graceSeconds !== 0;
    if (!isHeld && !ends) {
      this.#objects.delete(keyOf(resource, name));
      this.#lastVersion += 1;
      this.#tell(resource.plural, before, undefined);
    } else if (before.metadata.deletionTimestamp === undefined) {
      const metadata = { ...before.metadata, deletionTimestamp: TIME };
      this.#store(resource, before, { ...before, metadata });
    }
  }

  /** What may be changed through this door, and what may not. */
  #change(
    resource: Resource<KubeObject>,
    before: Whole,
    asked: Whole,
    part: 'status' | undefined,
  ): Whole {
    if (part === 'status')
      return this.#store(resource, before, { ...before, status: asked.status });
    const { deletionTimestamp, finalizers = [] } = before.metadata;
    const added = (asked.metadata.finalizers ?? []).filter((name) => !finalizers.includes(name));
    if (deletionTimestamp !== undefined && added.length > 0) {
      throw fault(
        'INVALID_ARGUMENT',
        'metadata.finalizers: none can be added, it is being deleted',
      );
    }
    const kept = WITH_STATUS.includes(resource.plural) ? { status: before.status } : {};
    const given = deletionTimestamp === undefined ? {} : { deletionTimestamp };
    return this.#store(resource, before, {
      ...asked,
      ...kept,
      metadata: { ...asked.metadata, ...given },
    });
  }

  #require(resource: Resource<KubeObject>, name: ObjectName): Whole {
    const object = this.#objects.get(keyOf(resource, name));
    if (object === undefined) throw fault('NOT_FOUND', `${keyOf(resource, name)}: not found`);
    return object;
  }

  #store(resource: Resource<KubeObject>, before: Whole | undefined, asked: Whole): Whole {
    const key = keyOf(resource, asked.metadata);
    this.#lastUid += before === undefined ? 1 : 0;
    const isOther = !isSame(before?.spec, asked.spec) || !isSame(before?.data, asked.data);
    const metadata: Metadata = {
      ...asked.metadata,
      uid:
        before?.metadata.uid ?? `00000000-0000-4000-8000-${`${this.#lastUid}`.padStart(12, '0')}`,
      creationTimestamp: before?.metadata.creationTimestamp ?? TIME,
      generation: (before?.metadata.generation ?? 0) + (isOther ? 1 : 0),
      resourceVersion: before?.metadata.resourceVersion ?? '',
    };
    const { apiVersion, kind } = resource;
    const next = clone({ ...asked, apiVersion, kind, metadata }) as Whole;
    if (before !== undefined && isSame(before, next)) return clone(before);
    this.#lastVersion += 1;
    const after = { ...next, metadata: { ...metadata, resourceVersion: `${this.#lastVersion}` } };
    const isGone = metadata.deletionTimestamp !== undefined && isFree(resource, before, after);
    if (isGone) this.#objects.delete(key);
    else this.#objects.set(key, clone(after));
    this.#tell(resource.plural, before, isGone ? undefined : after);
    return clone(after);
  }

  #tell(plural: string, before: Whole | undefined, after: Whole | undefined): void {
    for (const watcher of this.#watchers) watcher(plural, before, after && clone(after));
  }
}

/**
 * A client of it. `plan` may make a call fail: `before` it was carried out, or `after`, so that the
 * answer is lost; `crash` loses every call from then on.
 */
export class FakeClient implements KubeApi {
  readonly #kube: FakeKube;
  readonly #informers = new Set<FakeInformer<KubeObject>>();
  /** Every call that changes something, in order. */
  readonly calls: CallText[] = [];
  /** Every read, in order. */
  readonly reads: CallText[] = [];
  /** Asked before each changing call, with its text and its number, from 1. */
  plan: (call: CallText, number: number) => 'before' | 'after' | undefined = () => undefined;
  /** What the server says no to, such as rights that are missing. */
  refuse: (call: CallText) => { code: ErrorCode; message: string } | undefined = () => undefined;
  /** The server answers nobody here, and tells nothing. */
  isCutOff = false;
  /** Awaited before each call: lets a test put something in between. */
  pause: (call: CallText) => Promise<void> = async () => undefined;
  #isHeld = false;

  constructor(kube: FakeKube) {
    this.#kube = kube;
  }

  /** What the informers of this client see lags behind, until it is let go. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    for (const informer of this.#informers) informer.hold(isHeld);
  }

  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined> {
    return this.#read(`get ${showName(resource, name)}`, () => this.#kube.get(resource, name));
  }

  list<T extends KubeObject>(resource: Resource<T>, query?: ListQuery): Promise<T[]> {
    return this.#read(`list ${resource.plural}`, () => this.#kube.list(resource, query));
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const call = `create ${showName(resource, object.metadata)}`;
    return this.#write(call, () => this.#kube.create(resource, object));
  }

  replace<T extends KubeObject>(resource: Resource<T>, object: T, part?: 'status'): Promise<T> {
    const call = `replace ${showName(resource, object.metadata, part)}`;
    return this.#write(call, () => this.#kube.replace(resource, object, part));
  }

  patch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: MergePatch,
    part?: 'status',
  ): Promise<T> {
    const call = `patch ${showName(resource, name, part)}`;
    return this.#write(call, () => this.#kube.patch(resource, name, patch, part));
  }

  remove<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    options?: RemoveOptions,
  ): Promise<void> {
    const call = `remove ${showName(resource, name)}`;
    return this.#write(call, () => this.#kube.remove(resource, name, options));
  }

  inform<T extends KubeObject>(resource: Resource<T>, query: ListQuery = {}): Informer<T> {
    const informer = new FakeInformer<T>({
      resource,
      first: () => this.#kube.list(resource, query),
      watch: (watcher) => this.#kube.watch(watcher),
      isAskedFor: (object) => isAskedFor(object, query),
      isCutOff: () => this.isCutOff,
    });
    informer.hold(this.#isHeld);
    this.#informers.add(informer as unknown as FakeInformer<KubeObject>);
    return informer;
  }

  async #read<T>(call: CallText, answer: () => T): Promise<T> {
    await this.pause(call);
    this.reads.push(call);
    if (this.isCutOff) throw fault('UNAVAILABLE', `${call}: no answer`);
    const refusal = this.refuse(call);
    if (refusal !== undefined) throw fault(refusal.code, refusal.message);
    return answer();
  }

  async #write<T>(call: CallText, carryOut: () => T): Promise<T> {
    await this.pause(call);
    if (this.isCutOff) throw fault('UNAVAILABLE', `${call}: no answer`);
    this.calls.push(call);
    const failure = this.plan(call, this.calls.length);
    if (failure === 'before') throw fault('UNAVAILABLE', `${call}: no answer`);
    const refusal = this.refuse(call);
    if (refusal !== undefined) throw fault(refusal.code, refusal.message);
    const answer = carryOut();
    if (failure === 'after') throw fault('UNAVAILABLE', `${call}: the answer was lost`);
    return answer;
  }
}

/** RFC 7396. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFree(
  { plural }: Resource<KubeObject>,
  before: Whole | undefined,
  { metadata }: Whole,
): boolean {
  const isOver = (metadata.finalizers ?? []).length === 0;
  // A pod that only got its deletionTimestamp waits for its kubelet.
  return isOver && (plural !== PODS.plural || (before?.metadata.finalizers ?? []).length > 0);
}

function checkVersion(before: Whole, { resourceVersion, uid }: Partial<Metadata>): void {
  const isOther = (has: string | undefined, asked: string | undefined) =>
    asked !== undefined && asked !== has;
  if (isOther(before.metadata.resourceVersion, resourceVersion)) {
    throw fault('CONFLICT', `${before.metadata.name}: the object has been modified`);
  }
  if (isOther(before.metadata.uid, uid)) {
    throw fault('CONFLICT', `${before.metadata.name}: it has another uid`);
  }
}

function isAskedFor({ metadata }: KubeObject, { namespace, labels, name }: ListQuery): boolean {
  return (
    (namespace === undefined || metadata.namespace === namespace) &&
    (name === undefined || metadata.name === name) &&
    Object.entries(labels ?? {}).every(([label, value]) => metadata.labels?.[label] === value)
  );
}

function keyOf({ plural, isNamespaced }: Resource<KubeObject>, name: ObjectName): string {
  return isNamespaced ? `${plural} ${name.namespace}/${name.name}` : `${plural} ${name.name}`;
}

function showName(resource: Resource<KubeObject>, name: ObjectName, part?: 'status'): CallText {
  const key = keyOf(resource, name);
  return part === undefined ? key : key.replace(' ', '/status ');
}

function clone<T>(value: T): T {
  return structuredClone(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** The order of fields means nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([name, part]) => [name, sorted(part)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function fault(code: ErrorCode, message: string): KeelsonError {
  return new KeelsonError(code, message);
}
