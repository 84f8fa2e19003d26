import type { Change } from './kube-api.ts';
import type { KubeObject, ObjectName } from './objects.ts';
import { isOlder } from './resource-version.ts';

/** Of so many that are gone we know so; what was said of one before that comes within a moment. */
const MAX_GONE = 4096;

/**
 * The last version of every object. It never goes back, whatever comes in which order: answers to calls
 * of ours overtake the watch, and are overtaken by it.
 */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  /** By uid, which is never used again: the number of lists that had been begun by then. */
  readonly #gone = new Map<string, number>();
  #listCount = 0;
  #all: readonly T[] | undefined;

  get(name: ObjectName): T | undefined {
    return this.#objects.get(keyOf(name));
  }

  all(): readonly T[] {
    this.#all ??= Object.freeze([...this.#objects.values()]);
    return this.#all;
  }

  /** undefined: we know this already, or better. */
  put(object: T): Change<T> | undefined {
    const { uid = '', resourceVersion = '' } = object.metadata;
    if (this.#gone.has(uid)) return undefined;
    const before = this.get(object.metadata);
    const known = before?.metadata.resourceVersion ?? '';
    if (before !== undefined && isKnown(object, before)) return undefined;
    if (isOlder(resourceVersion, known)) return undefined;
    return this.#set(object, before);
  }

  /** `object` as it was last. */
  putGone(object: T): Change<T> | undefined {
    const { uid = '', resourceVersion = '' } = object.metadata;
    this.#bury(uid);
    const before = this.get(object.metadata);
    if (before === undefined) return undefined;
    const { metadata } = before;
    // Another one has taken its name since.
    if (metadata.uid !== uid && isOlder(resourceVersion, metadata.resourceVersion ?? '')) {
      return undefined;
    }
    return this.#delete(before);
  }

  /** With `uid` only if it is that one. */
  noteGone(name: ObjectName, uid?: string): Change<T> | undefined {
    if (uid !== undefined) this.#bury(uid);
    const before = this.get(name);
    if (before === undefined || (uid !== undefined && before.metadata.uid !== uid))
      return undefined;
    return this.#delete(before);
  }

  /** To be called before a list is asked for; what it returns is for `take`. */
  beginList(): number {
    this.#listCount += 1;
    return this.#listCount;
  }

  /**
   * Takes a list of all in. What was noted since the list was begun stays, unless the server has been
   * put back to an earlier state (`isPutBack`): then the list is all there is.
   */
  take(
    { objects, resourceVersion }: { objects: readonly T[]; resourceVersion: string },
    { list, isPutBack }: { list: number; isPutBack: boolean },
  ): Change<T>[] {
    for (const { metadata } of objects) {
      const goneSince = this.#gone.get(metadata.uid ?? '');
      // Whoever said that it is gone was wrong.
      if (goneSince !== undefined && (isPutBack || goneSince < list)) {
        this.#gone.delete(metadata.uid ?? '');
      }
    }
    const listed = new Set(objects.map(({ metadata }) => keyOf(metadata)));
    const lost = this.all().filter(({ metadata }) => {
      const isNewer = isOlder(resourceVersion, metadata.resourceVersion ?? '');
      return !listed.has(keyOf(metadata)) && (isPutBack || !isNewer);
    });
    const changes = lost.map((object) => this.#delete(object));
    for (const object of objects) {
      const change = isPutBack ? this.#putBack(object) : this.put(object);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  #putBack(object: T): Change<T> | undefined {
    const before = this.get(object.metadata);
    if (before !== undefined && isKnown(object, before)) return undefined;
    return this.#set(object, before);
  }

  #set(object: T, before: T | undefined): Change<T> {
    this.#objects.set(keyOf(object.metadata), deepFreeze(object));
    this.#all = undefined;
    return { before, after: object };
  }

  #delete(before: T): Change<T> {
    this.#objects.delete(keyOf(before.metadata));
    this.#bury(before.metadata.uid ?? '');
    this.#all = undefined;
    return { before, after: undefined };
  }

  #bury(uid: string): void {
    this.#gone.delete(uid);
    this.#gone.set(uid, this.#listCount);
    const [oldest] = this.#gone.keys();
    if (this.#gone.size > MAX_GONE && oldest !== undefined) this.#gone.delete(oldest);
  }
}

function isKnown({ metadata: a }: KubeObject, { metadata: b }: KubeObject): boolean {
  return a.uid === b.uid && a.resourceVersion === b.resourceVersion;
}

function keyOf({ namespace, name }: ObjectName): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Without recursion: how deep it goes is up to whoever wrote it. */
function deepFreeze<V>(value: V): V {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const part = open.pop();
    if (typeof part !== 'object' || part === null || Object.isFrozen(part)) continue;
    for (const inner of Object.values(part)) open.push(inner);
    Object.freeze(part);
  }
  return value;
}
