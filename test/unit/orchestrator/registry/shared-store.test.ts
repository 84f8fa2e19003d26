import { SharedStore } from '../../../../orchestrator/registry/shared-store.ts';
import type { State } from '../../../../orchestrator/registry/state.ts';
import type { StateStore } from '../../../../orchestrator/registry/state-store.ts';

/** As much of a record as tells one from the other. */
function stateOf(epochs: Readonly<Record<string, number>>): State {
  const volumes = Object.entries(epochs).map(([name, epoch]) => {
    return [`a/${name}`, { spec: { namespace: 'a', name }, membership: { epoch } }] as const;
  });
  return { volumes: new Map(volumes) } as unknown as State;
}

/** What others share: shows what is written while it is written, as an informer does. */
class SharedState {
  state = stateOf({ x: 1, y: 1 });
  readonly #listeners = new Set<(before: State, after: State) => void>();

  show(after: State): void {
    const before = this.state;
    this.state = after;
    for (const listener of this.#listeners) listener(before, after);
  }

  subscribe(listener: (before: State, after: State) => void): void {
    this.#listeners.add(listener);
  }

  async write(_before: State, after: State): Promise<void> {
    this.show(after);
  }
}

test('a shared store tells of what others have changed, and of nothing that it wrote', async () => {
  const shared = new SharedState();
  const store = new SharedStore(shared as unknown as StateStore);
  const heard: string[] = [];
  store.subscribeToOthers(({ before, after }) => {
    heard.push(`${after.spec.name} ${before.membership.epoch}-${after.membership.epoch}`);
  });
  await store.write(shared.state, withRecord(shared.state, { x: 2 }));
  expect(heard).toEqual([]);
  shared.show(withRecord(shared.state, { x: 3 }));
  expect(heard).toEqual(['x 2-3']);
  shared.show(withRecord(shared.state, { z: 1 }));
  expect(heard).toEqual(['x 2-3']); // a new one has no change
});

test('what others change while something of ours is written is told as well', async () => {
  const shared = new SharedState();
  shared.write = async (_before, after) => {
    shared.show(withRecord(after, { y: 2 }));
  };
  const store = new SharedStore(shared as unknown as StateStore);
  const heard: string[] = [];
  store.subscribeToOthers(({ after }) => heard.push(after.spec.name));
  await store.write(shared.state, withRecord(shared.state, { x: 2 }));
  expect(heard).toEqual(['y']);
});

/** The others stay the same objects. */
function withRecord(state: State, epochs: Readonly<Record<string, number>>): State {
  return { ...state, volumes: new Map([...state.volumes, ...stateOf(epochs).volumes]) };
}
