import type { AddressPlan } from '../../../../../orchestrator/model/address-plan.ts';
import type { ObservedProcess } from '../../../../../orchestrator/plan/observed.ts';
import { type ProcessSpec, processesOf } from '../../../../../orchestrator/plan/processes.ts';
import type {
  Platform,
  PlatformNode,
  ProcessChange,
} from '../../../../../orchestrator/platforms/platform.ts';
import type { Registry } from '../../../../../orchestrator/registry/registry.ts';

/** Everything that is wanted runs at once, and ends at once. */
export class FakePlatform implements Platform {
  readonly name = 'kubernetes';
  registry: Registry | undefined;
  readonly down = new Set<string>();
  readonly erased: string[] = [];
  onChange: (change: ProcessChange) => void = () => undefined;
  readonly #running = new Map<string, ProcessSpec>();
  /** The volume's id stands for its address. */
  readonly addresses: AddressPlan = {
    portal: ({ id }) => ({ host: id, port: 3260 }),
    controllerAdmin: ({ id }) => ({ host: id, port: 3261 }),
    replica: ({ id }, { replicaId }) => ({ host: `${id}-${replicaId}`, port: 5703 }),
  };

  observe(volume: string): readonly ObservedProcess[] {
    const record = this.registry?.get(volume);
    if (record === undefined) return [];
    return processesOf(record)
      .filter(({ key }) => this.#running.has(key))
      .map(({ key, role }) => ({
        ...{ key, role, state: 'ready', quickExits: 0, exitedAtMs: 0 },
        failingSinceMs: undefined,
      }));
  }

  observeNodes(): readonly PlatformNode[] {
    return (this.registry?.nodes ?? []).map(({ name }) => ({
      ...{ name, address: name, directory: `/data/${name}` },
      down: this.down.has(name) ? { sinceMs: 0, reason: 'it does not answer' } : undefined,
    }));
  }

  start(process: ProcessSpec): void {
    this.#running.set(process.key, process);
  }

  async stop(key: string): Promise<void> {
    const process = this.#running.get(key);
    this.#running.delete(key);
    if (process === undefined) return;
    const end = { instanceId: undefined, reason: 'code 0', isStopped: true, quickExits: 0 };
    this.onChange({ kind: 'exited', process, ...end });
  }

  async eraseCopy(): Promise<void> {
    // There is nothing on no disk.
  }

  async erase({ spec }: { readonly spec: { readonly name: string } }): Promise<readonly string[]> {
    this.erased.push(spec.name);
    return [];
  }

  async close(): Promise<void> {
    this.kill();
  }

  kill(): void {
    this.#running.clear();
  }
}
