import type { Change, Informer } from '../../../../orchestrator/kubernetes/kube-api.ts';
import type { KubeObject, ObjectName } from '../../../../orchestrator/kubernetes/objects.ts';
import type { Resource } from '../../../../orchestrator/kubernetes/resources.ts';
import type { Watcher, Whole } from './fake-kube.ts';

export interface FakeInformerOptions<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly first: () => readonly T[];
  readonly watch: (watcher: Watcher) => () => void;
  readonly isAskedFor: (object: KubeObject) => boolean;
  readonly isCutOff: () => boolean;
}

/** Told of changes one turn after they happened, in order; later still while it is held. */
export class FakeInformer<T extends KubeObject> implements Informer<T> {
  readonly ready: Promise<void>;
  readonly down = undefined;
  readonly #options: FakeInformerOptions<T>;
  readonly #cache = new Map<string, T>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #waiting: (() => void)[] = [];
  #isHeld = false;
  #unwatch: () => void = () => undefined;

  constructor(options: FakeInformerOptions<T>) {
    this.#options = options;
    this.ready = Promise.resolve().then(() => {
      this.#unwatch = options.watch((plural, before, after) => {
        if (plural === options.resource.plural) this.#later(() => this.#see(before, after));
      });
      for (const object of options.first()) this.#take(object);
    });
  }

  get(name: ObjectName): T | undefined {
    return this.#cache.get(keyOf(name));
  }

  all(): readonly T[] {
    return [...this.#cache.values()];
  }

  note(object: T): void {
    this.#take(structuredClone(object));
  }

  noteGone(name: ObjectName): void {
    const before = this.#cache.get(keyOf(name));
    if (before === undefined) return;
    this.#cache.delete(keyOf(name));
    this.#tell({ before, after: undefined });
  }

  subscribe(listener: (change: Change<T>) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#unwatch();
    this.#listeners.clear();
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) queueMicrotask(() => this.#flush());
  }

  #later(see: () => void): void {
    this.#waiting.push(see);
    if (!this.#isHeld) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#isHeld || this.#options.isCutOff()) return;
    for (const see of this.#waiting.splice(0)) see();
  }

  #see(before: Whole | undefined, after: Whole | undefined): void {
    if (after !== undefined && this.#options.isAskedFor(after)) {
      this.#take(after as unknown as T);
      return;
    }
    // Gone, or not asked for any more; of that name there may be another one by now.
    const known = before && this.#cache.get(keyOf(before.metadata));
    if (known !== undefined && known.metadata.uid === before?.metadata.uid) {
      this.noteGone(known.metadata);
    }
  }

  /** What is older than what we have is no news. */
  #take(after: T): void {
    const key = keyOf(after.metadata);
    const before = this.#cache.get(key);
    const isKnown =
      before?.metadata.uid === after.metadata.uid && versionOf(before) >= versionOf(after);
    if (before !== undefined && isKnown) return;
    this.#cache.set(key, after);
    this.#tell({ before, after });
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function versionOf(object: KubeObject | undefined): number {
  return Number(object?.metadata.resourceVersion ?? 0);
}

function keyOf({ namespace, name }: ObjectName): string {
  return `${namespace ?? ''}/${name}`;
}
