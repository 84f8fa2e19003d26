import type { ProcessSpec } from '../../plan/processes.ts';
import { LABELS } from './container-labels.ts';
import { type ContainerContext, networkName, networkOptions } from './container-options.ts';
import type { Engine } from './engine.ts';

export interface Doors {
  /** Serves the registry on this address of ours, for the controllers of one network. */
  readonly openDoor: (host: string) => Promise<void>;
  readonly closeDoor: (host: string) => void;
}

/** The private networks of the volumes, and the registry's door into each. */
export class VolumeNetworks {
  readonly #context: ContainerContext;
  readonly #doors: Doors;
  /** By `ENGINE SLOT`: those that are there, or are being made. */
  readonly #known = new Map<string, Promise<void>>();

  constructor(context: ContainerContext, doors: Doors) {
    this.#context = context;
    this.#doors = doors;
  }

  ensure(engine: Engine, spec: Pick<ProcessSpec, 'volume' | 'slot'>): Promise<void> {
    const key = keyOf(engine, spec.slot);
    const known = this.#known.get(key) ?? this.#make(engine, spec);
    this.#known.set(key, known);
    return known;
  }

  /** Somebody may have removed it. */
  doubt(engine: Engine, slot: number): void {
    this.#known.delete(keyOf(engine, slot));
  }

  /** Opens the doors of those that are there, and removes those of volumes that are not. */
  async adopt(engine: Engine, volumeIds: ReadonlySet<string>): Promise<void> {
    for (const { name, labels } of await engine.networks(this.#context.installation)) {
      const slot = Number(labels[LABELS.slot]);
      if (!volumeIds.has(labels[LABELS.volumeId] ?? '')) {
        await engine.removeNetwork(name);
        continue;
      }
      await this.#doors.openDoor(this.#context.networks.gateway(slot));
      this.#known.set(keyOf(engine, slot), Promise.resolve());
    }
  }

  async remove(
    engine: Engine,
    { volume, slot }: Pick<ProcessSpec, 'volume' | 'slot'>,
  ): Promise<void> {
    this.#doors.closeDoor(this.#context.networks.gateway(slot));
    await engine.removeNetwork(networkName(this.#context, volume));
    this.doubt(engine, slot);
  }

  async #make(engine: Engine, spec: Pick<ProcessSpec, 'volume' | 'slot'>): Promise<void> {
    await engine.ensureNetwork(networkOptions(this.#context, spec));
    await this.#doors.openDoor(this.#context.networks.gateway(spec.slot));
  }
}

function keyOf({ url }: Engine, slot: number): string {
  return `${url} ${slot}`;
}
