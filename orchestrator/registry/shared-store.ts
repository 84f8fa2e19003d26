import { addressOf } from '../model/volume.ts';
import type { State } from './state.ts';
import { changesBetween, type RecordChange } from './state-reads.ts';
import type { StateStore } from './state-store.ts';

/** A store that others write, too; it tells their changes from our own. */
export class SharedStore implements StateStore {
  readonly #store: StateStore;
  /** What is being written: the store may show it before it is done. */
  #writing: State | undefined;

  constructor(store: StateStore) {
    this.#store = store;
  }

  get state(): State {
    return this.#store.state;
  }

  get slotLimit(): number {
    return this.#store.slotLimit;
  }

  async write(before: State, after: State): Promise<void> {
    this.#writing = after;
    try {
      await this.#store.write(before, after);
    } finally {
      this.#writing = undefined;
    }
  }

  refresh(address: string): Promise<void> {
    return this.#store.refresh(address);
  }

  checkUsable(): void {
    this.#store.checkUsable();
  }

  subscribe(listener: (before: State, after: State) => void): void {
    this.#store.subscribe(listener);
  }

  /**
   * Calls `listener` with every record that others have changed. A write of ours of which nobody knew
   * whether it was carried out is one of theirs, too.
   */
  subscribeToOthers(listener: (change: RecordChange) => void): void {
    this.#store.subscribe((before, after) => {
      const ours = this.#writing?.volumes;
      for (const change of changesBetween(before, after)) {
        if (ours?.get(addressOf(change.after.spec)) !== change.after) listener(change);
      }
    });
  }
}
