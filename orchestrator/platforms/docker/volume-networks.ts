import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import { LABELS } from './container-labels.ts';
import {
  type ContainerContext,
  networkName,
  networkOptions,
  privateAddressOf,
} from './container-options.ts';
import type { Engine, FoundContainer, FoundNetwork } from './engine.ts';

const MAX_REMOVALS = 20;
const REMOVAL_INTERVAL_MS = 500;

export interface Doors {
  /** Serves the registry on this address of ours, for the controllers of one network. */
  readonly openDoor: (host: string) => Promise<void>;
  readonly closeDoor: (host: string) => void;
}

/** The private networks of the volumes, and the registry's door into each. */
export class VolumeNetworks {
  readonly #context: ContainerContext;
  readonly #doors: Doors;
  readonly #log: Log;
  /** By `ENGINE SLOT`: those that are there, or are being made. */
  readonly #known = new Map<string, Promise<void>>();

  constructor(options: Doors & { readonly context: ContainerContext; readonly log: Log }) {
    this.#context = options.context;
    this.#doors = options;
    this.#log = options.log;
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

  /**
   * Opens the doors of those that are there, and removes those of volumes that are not. What fails is
   * done by the next start in that network, or at the next connection.
   */
  async adopt(engine: Engine, volumeIds: ReadonlySet<string>): Promise<void> {
    try {
      for (const network of await engine.networks(this.#context.installation)) {
        if (volumeIds.has(network.labels[LABELS.volumeId] ?? '')) await this.#take(engine, network);
        else void this.#removeOrphan(engine, network.name);
      }
    } catch (error) {
      this.#log.warn('networks of an engine', { engine: engine.url, error: messageOf(error) });
    }
  }

  /**
   * Somebody took a container out of its network (docker network disconnect), or put it back without
   * its address: it runs, and nobody reaches it. Errors: none.
   */
  async repair(engine: Engine, spec: ProcessSpec, container: FoundContainer): Promise<void> {
    const [name, address] = [
      networkName(this.#context, spec.volume),
      privateAddressOf(this.#context, spec),
    ];
    if (container.addresses[name] === address) return;
    try {
      await engine.attach(container.id, name, address);
      this.#log.warn('put a container back into its network', { process: spec.key, address });
    } catch (error) {
      this.#log.warn('a container is out of its network', {
        ...{ process: spec.key, error: messageOf(error) },
      });
    }
  }

  async remove(
    engine: Engine,
    { volume, slot }: Pick<ProcessSpec, 'volume' | 'slot'>,
  ): Promise<void> {
    this.#doors.closeDoor(this.#context.networks.gateway(slot));
    // By its label: the name may be another installation's.
    for (const { id, labels } of await engine.networks(this.#context.installation)) {
      if (labels[LABELS.volumeId] === volume.id) await engine.removeNetwork(id);
    }
    this.doubt(engine, slot);
  }

  async #take(engine: Engine, { labels }: FoundNetwork): Promise<void> {
    const slot = Number(labels[LABELS.slot]);
    await this.#doors.openDoor(this.#context.networks.gateway(slot));
    this.#known.set(keyOf(engine, slot), Promise.resolve());
  }

  /** Its containers are being removed at this moment; until they are gone it cannot be. */
  async #removeOrphan(engine: Engine, name: string): Promise<void> {
    for (let triesLeft = MAX_REMOVALS; ; triesLeft -= 1) {
      try {
        await engine.removeNetwork(name);
        return;
      } catch (error) {
        if (triesLeft > 0) await sleep(REMOVAL_INTERVAL_MS, undefined, { ref: false });
        else {
          this.#log.warn('a network stays', { network: name, error: messageOf(error) });
          return;
        }
      }
    }
  }

  async #make(engine: Engine, spec: Pick<ProcessSpec, 'volume' | 'slot'>): Promise<void> {
    await engine.ensureNetwork(networkOptions(this.#context, spec));
    await this.#doors.openDoor(this.#context.networks.gateway(spec.slot));
  }
}

function keyOf({ url }: Engine, slot: number): string {
  return `${url} ${slot}`;
}
