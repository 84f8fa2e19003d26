import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../../replica/common/assert.ts';
import { monotonicClock } from '../../../replica/common/clock.ts';
import { copyDirectoryName, nodeNames, replicaHost } from '../../model/layout.ts';
import type { NodeView } from '../../model/view.ts';
import { addressOf, type VolumeRecord } from '../../model/volume.ts';
import { countQuickExits } from '../../plan/backoff.ts';
import type { ObservedProcess } from '../../plan/plan.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import type { Platform, ProcessChange } from '../platform.ts';
import { Child, type ChildCommand } from './child.ts';
import { compileCacheOf } from './compile-cache.ts';

export interface ProcessPlatformOptions {
  readonly root: string;
  readonly nodeCount: number;
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
}

/** Embedded mode: every controller and replica is a child process, every node a directory. */
export class ProcessPlatform implements Platform {
  readonly #options: ProcessPlatformOptions;
  /** By process key. */
  readonly #slots = new Map<string, Slot>();

  constructor(options: ProcessPlatformOptions) {
    this.#options = options;
    for (const node of nodeNames(options.nodeCount)) {
      mkdirSync(this.#nodeDirectory(node), { recursive: true, mode: 0o700 });
    }
    mkdirSync(join(options.root, 'logs'), { recursive: true, mode: 0o700 });
  }

  nodes(): Omit<NodeView, 'copyCount'>[] {
    return nodeNames(this.#options.nodeCount).map((name) => ({
      name,
      address: replicaHost(0, name),
      directory: this.#nodeDirectory(name),
    }));
  }

  observe(volume: string): ObservedProcess[] {
    return [...this.#slots.values()]
      .filter(({ spec }) => addressOf(spec.volume) === volume)
      .map(({ spec, child, quickExits, exitedAtMs }) => ({
        key: spec.key,
        role: spec.role,
        state: child.state,
        quickExits,
        exitedAtMs,
      }));
  }

  start(spec: ProcessSpec): void {
    const earlier = this.#slots.get(spec.key);
    assert(earlier === undefined || earlier.child.state === 'down', 'one process per key', {
      key: spec.key,
    });
    const child = new Child(this.#commandOf(spec), {
      onReady: (address) => this.#options.onChange({ kind: 'ready', process: spec, address }),
      onExit: (reason) => this.#onExit(spec, child, reason),
    });
    const { quickExits = 0, exitedAtMs = 0 } = earlier ?? {};
    this.#slots.set(spec.key, { spec, child, quickExits, exitedAtMs });
  }

  async stop(key: string): Promise<void> {
    await this.#slots.get(key)?.child.stop();
  }

  async erase(record: VolumeRecord): Promise<void> {
    const address = addressOf(record.spec);
    for (const { state } of this.observe(address)) {
      assert(state === 'down', 'no process of an erased volume is left', { address });
    }
    for (const { node } of Object.values(record.membership.copies)) {
      await rm(this.#copyDirectory(node, record.spec), { recursive: true, force: true });
    }
    for (const { key } of this.observe(address)) this.#slots.delete(key);
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

  #onExit(spec: ProcessSpec, child: Child, reason: string): void {
    const slot = this.#slots.get(spec.key);
    assert(slot?.child === child, 'an exit belongs to the current run', { key: spec.key });
    const exitedAtMs = monotonicClock.nowMs();
    const quickExits = countQuickExits(slot.quickExits, exitedAtMs - child.startedAtMs);
    this.#slots.set(spec.key, { ...slot, quickExits, exitedAtMs });
    const { wasStopped: isStopped } = child;
    this.#options.onChange({ kind: 'exited', process: spec, reason, isStopped, quickExits });
  }

  #commandOf(spec: ProcessSpec): ChildCommand {
    const { root, registryUrl, programs } = this.#options;
    const volume = addressOf(spec.volume);
    const own =
      spec.role === 'controller'
        ? ['--registry', registryUrl]
        : [
            ...['--volume-id', spec.volume.id],
            ...['--replica-id', spec.replicaId],
            ...['--data-dir', this.#copyDirectory(spec.node, spec.volume)],
            ...['--size', String(spec.volume.sizeBytes)],
          ];
    const logName = `${spec.key.replace('/', '.').replace(' ', '-')}.log`;
    return {
      program: programs[spec.role],
      arguments: ['--volume', volume, '--listen', spec.host, ...own],
      environment: {
        KEELSON_VOLUME_SECRET: spec.secret,
        NODE_COMPILE_CACHE: compileCacheOf(root),
      },
      logPath: join(root, 'logs', logName),
    };
  }

  #nodeDirectory(node: string): string {
    return join(this.#options.root, 'nodes', node);
  }

  #copyDirectory(node: string, volume: VolumeRecord['spec']): string {
    return join(this.#nodeDirectory(node), copyDirectoryName(volume));
  }
}
