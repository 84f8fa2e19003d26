import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CHAP_VARIABLES } from '../../../controller/protocol/chap-credentials.ts';
import { assert } from '../../../replica/common/assert.ts';
import { monotonicClock } from '../../../replica/common/clock.ts';
import { prepareNodeDirectory, whyDown } from '../../../replica/common/node-directory.ts';
import type { Endpoint } from '../../model/address-plan.ts';
import { copyDirectoryName } from '../../model/layout.ts';
import { LOOPBACK_ADDRESSES } from '../../model/loopback-addresses.ts';
import type { NodeRecord } from '../../model/node.ts';
import { addressOf, type RemovedCopy, type VolumeRecord } from '../../model/volume.ts';
import { countQuickExits, isFailing } from '../../plan/backoff.ts';
import type { ObservedNode, ObservedProcess } from '../../plan/observed.ts';
import { type ProcessSpec, replicaKey } from '../../plan/processes.ts';
import type { Platform, PlatformNode, ProcessChange } from '../platform.ts';
import { Child, type ChildCommand } from './child.ts';
import { compileCacheOf } from './compile-cache.ts';
import { identify, readProcessSpace } from './process-identity.ts';

export interface ProcessPlatformOptions {
  readonly root: string;
  readonly installationId: string;
  readonly nodes: readonly NodeRecord[];
  /** Where controllers find the registry. */
  readonly registryUrl: string;
  /** The main files of the children. */
  readonly programs: Readonly<Record<ProcessSpec['role'], string>>;
  readonly onChange: (change: ProcessChange) => void;
}

interface Slot {
  readonly spec: ProcessSpec;
  readonly child: Child;
  readonly quickExits: number;
  readonly exitedAtMs: number;
  /** The first of those exits. */
  readonly failingSinceMs: number;
}

/** Embedded mode: every controller and replica is a child process, every node a directory. */
export class ProcessPlatform implements Platform {
  readonly name = 'process';
  readonly addresses = LOOPBACK_ADDRESSES;
  readonly #options: ProcessPlatformOptions;
  readonly #processSpace = readProcessSpace();
  /** By process key. */
  readonly #slots = new Map<string, Slot>();
  /** By name; only of nodes that are down. */
  readonly #downSinceMs = new Map<string, number>();

  constructor(options: ProcessPlatformOptions) {
    this.#options = options;
    mkdirSync(join(options.root, 'logs'), { recursive: true, mode: 0o700 });
  }

  observeNodes(): PlatformNode[] {
    return this.#options.nodes.map(({ name }) => ({
      name,
      down: this.#whyDown(name),
      address: this.addresses.replica({ slot: 0 }, { node: name }).host,
      directory: nodeDirectory(this.#options.root, name),
    }));
  }

  observe(volume: string): ObservedProcess[] {
    const nowMs = monotonicClock.nowMs();
    return [...this.#slots.values()]
      .filter(({ spec }) => addressOf(spec.volume) === volume)
      .map(({ spec, child, quickExits, exitedAtMs, failingSinceMs }) => {
        const { state, startedAtMs } = child;
        const failing = isFailing({ quickExits, state, upMs: nowMs - startedAtMs });
        return {
          ...{ key: spec.key, role: spec.role, state, quickExits, exitedAtMs },
          failingSinceMs: failing ? failingSinceMs : undefined,
        };
      });
  }

  start(spec: ProcessSpec): void {
    const earlier = this.#slots.get(spec.key);
    assert(earlier === undefined || earlier.child.state === 'down', 'one process per key', {
      key: spec.key,
    });
    // Made here, not by the controller itself, so that its end can be told whenever it comes.
    const instanceId = spec.role === 'controller' ? randomUUID() : undefined;
    const child = new Child(this.#commandOf(spec, instanceId), {
      onReady: (address) => this.#options.onChange({ kind: 'ready', process: spec, address }),
      onExit: (reason) => this.#onExit({ spec, child, instanceId, reason }),
    });
    const { quickExits = 0, exitedAtMs = 0, failingSinceMs = 0 } = earlier ?? {};
    this.#slots.set(spec.key, { spec, child, quickExits, exitedAtMs, failingSinceMs });
    if (instanceId !== undefined) this.#tellStarted(spec, instanceId, child);
  }

  async stop(key: string): Promise<void> {
    await this.#slots.get(key)?.child.stop();
  }

  async eraseCopy(volume: VolumeRecord['spec'], { replicaId, node }: RemovedCopy): Promise<void> {
    const key = replicaKey(addressOf(volume), replicaId);
    const state = this.#slots.get(key)?.child.state ?? 'down';
    assert(state === 'down', 'an erased copy has no process', { key });
    await rm(this.#copyDirectory(node, volume), { recursive: true, force: true });
    this.#slots.delete(key);
  }

  async erase(record: VolumeRecord): Promise<string[]> {
    const address = addressOf(record.spec);
    for (const { state } of this.observe(address)) {
      assert(state === 'down', 'no process of an erased volume is left', { address });
    }
    const left: string[] = [];
    for (const { node } of [...Object.values(record.membership.copies), ...record.removed]) {
      const directory = this.#copyDirectory(node, record.spec);
      if (this.#whyDown(node) === undefined) await rm(directory, { recursive: true, force: true });
      else left.push(directory);
    }
    for (const { key } of this.observe(address)) this.#slots.delete(key);
    return left;
  }

  async close(): Promise<void> {
    for (const role of ['controller', 'replica'] as const) {
      const slots = [...this.#slots.values()].filter(({ spec }) => spec.role === role);
      await Promise.all(slots.map(({ child }) => (child.state === 'down' ? null : child.stop())));
    }
  }

  kill(): void {
    for (const { child } of this.#slots.values()) if (child.state !== 'down') child.kill();
  }

  /** Nothing is told where nothing could be proved later: then its leases are waited for. */
  #tellStarted(spec: ProcessSpec, instanceId: string, { pid }: Child): void {
    if (pid === undefined || this.#processSpace === undefined) return;
    const identity = identify(pid, this.#processSpace);
    if (identity === undefined) return;
    this.#options.onChange({ kind: 'controller-started', process: spec, instanceId, identity });
  }

  #onExit(exit: {
    readonly spec: ProcessSpec;
    readonly child: Child;
    readonly instanceId: string | undefined;
    readonly reason: string;
  }): void {
    const { spec, child, instanceId, reason } = exit;
    const slot = this.#slots.get(spec.key);
    assert(slot?.child === child, 'an exit belongs to the current run', { key: spec.key });
    const exitedAtMs = monotonicClock.nowMs();
    const quickExits = countQuickExits(slot.quickExits, exitedAtMs - child.startedAtMs);
    const failingSinceMs = quickExits === 1 ? exitedAtMs : slot.failingSinceMs;
    this.#slots.set(spec.key, { ...slot, quickExits, exitedAtMs, failingSinceMs });
    const { wasStopped: isStopped } = child;
    const facts = { instanceId, reason, isStopped, quickExits };
    this.#options.onChange({ kind: 'exited', process: spec, ...facts });
  }

  #commandOf(spec: ProcessSpec, instanceId: string | undefined): ChildCommand {
    const { root, registryUrl, programs } = this.#options;
    const volume = addressOf(spec.volume);
    const { host } = endpointOf(spec);
    const own =
      spec.role === 'controller'
        ? ['--registry', registryUrl, '--instance-id', instanceId ?? '']
        : [
            ...['--volume-id', spec.volume.id],
            ...['--replica-id', spec.replicaId],
            ...['--data-dir', this.#copyDirectory(spec.node, spec.volume)],
            ...['--size', String(spec.volume.sizeBytes)],
          ];
    const logName = `${spec.key.replace('/', '.').replace(' ', '-')}.log`;
    return {
      program: programs[spec.role],
      arguments: ['--volume', volume, '--listen', host, ...own],
      environment: {
        KEELSON_VOLUME_SECRET: spec.secret,
        NODE_COMPILE_CACHE: compileCacheOf(root),
        // Each volume has its own; else one that shows none would still ask for some.
        ...Object.fromEntries(Object.values(CHAP_VARIABLES).map((name) => [name, undefined])),
      },
      logPath: join(root, 'logs', logName),
    };
  }

  #whyDown(node: string): ObservedNode['down'] {
    const { root, installationId } = this.#options;
    const reason = whyDown(nodeDirectory(root, node), { node, installation: installationId });
    if (reason === undefined) {
      this.#downSinceMs.delete(node);
      return undefined;
    }
    const sinceMs = this.#downSinceMs.get(node) ?? monotonicClock.nowMs();
    this.#downSinceMs.set(node, sinceMs);
    return { sinceMs, reason };
  }

  #copyDirectory(node: string, volume: VolumeRecord['spec']): string {
    return join(nodeDirectory(this.#options.root, node), copyDirectoryName(volume));
  }
}

/**
 * Makes the directories of nodes that are new. Returns the names of those that are there now, for
 * the registry to remember: a node's directory is never made twice.
 */
export function prepareNodes(
  root: string,
  { installationId, nodes }: Pick<ProcessPlatformOptions, 'installationId' | 'nodes'>,
): string[] {
  return nodes
    .filter(({ name, isPrepared }) => {
      if (isPrepared) return false;
      const directory = nodeDirectory(root, name);
      const identity = { node: name, installation: installationId };
      try {
        prepareNodeDirectory(directory, identity);
      } catch {
        return false; // the node is down; whyDown says it in words
      }
      return whyDown(directory, identity) === undefined;
    })
    .map(({ name }) => name);
}

function nodeDirectory(root: string, node: string): string {
  return join(root, 'nodes', node);
}

/** Where a process of the embedded platform listens. */
export function endpointOf(spec: ProcessSpec): Endpoint {
  return spec.role === 'controller'
    ? LOOPBACK_ADDRESSES.portal(spec)
    : LOOPBACK_ADDRESSES.replica(spec, spec);
}
