import { setTimeout as sleep } from 'node:timers/promises';
import { KeelsonError, messageOf } from '../../../replica/common/errors.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import type { Activity } from './activity.ts';
import type { AddressHolders } from './address-holders.ts';
import type { Containers } from './containers.ts';
import type { DockerNodes } from './docker-nodes.ts';
import { statusOf } from './explain-engine-error.ts';
import type { LostInstances } from './lost-instances.ts';
import type { Run } from './runs.ts';
import type { VolumeNetworks } from './volume-networks.ts';

export interface StarterOptions {
  readonly nodes: DockerNodes;
  readonly networks: VolumeNetworks;
  readonly holders: AddressHolders;
  readonly containers: Containers;
  readonly activity: Activity;
  readonly lost: LostInstances;
  readonly onReady: (run: Run, address: string) => void;
  readonly onExit: (run: Run, reason: string) => void;
  /** It was started, and is not wanted any more. */
  readonly onUnwanted: (run: Run) => void;
}

/** A log that broke off before it said anything, though nobody told of an end, is read again. */
const LOG_RETRY_MS = 500;

/** Brings runs up: a network, an address, a container, its start, and the line that says that it serves. */
export class Starter {
  readonly #options: StarterOptions;
  #isClosed = false;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /** Errors: none; a run that cannot be brought up has ended. */
  async bringUp(run: Run): Promise<void> {
    const { activity, onExit, onUnwanted } = this.#options;
    const { spec } = run;
    let isStarted = false;
    try {
      isStarted = await activity.during(spec.key, () => this.#start(run));
    } catch (error) {
      onExit(run, `cannot start: ${messageOf(error)}`);
      return;
    }
    if (run.isStopped) {
      // A stop that came before the start had nothing to stop.
      if (isStarted) onUnwanted(run);
      else onExit(run, 'stopped before it was up');
      return;
    }
    while (run.state === 'starting' && !this.#isClosed) {
      await this.#readLog(run);
      if (run.state === 'starting') await sleep(LOG_RETRY_MS, undefined, { ref: false });
    }
    // Only now: nobody waits for it, and the start of this one had the machine for itself.
    await this.makeSpare(run);
  }

  /** Waits for nothing any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Also for one that was not brought up here. */
  async makeSpare({ spec, state, node }: Run): Promise<void> {
    if (spec.role !== 'controller' || state !== 'ready' || node === undefined) return;
    await this.#options.containers.makeSpare(spec, node);
  }

  /** Returns whether it was started: it may have been stopped before. */
  async #start(run: Run): Promise<boolean> {
    const { networks, nodes, holders, containers } = this.#options;
    const { spec } = run;
    const node = this.#placeOf(spec);
    const engine = nodes.engineOf(node);
    try {
      await networks.ensure(engine, spec);
      if (spec.role === 'controller') await holders.ensure(spec, node);
      const { id, instanceId, logSince } = await containers.choose(spec, node);
      Object.assign(run, { node, containerId: id, instanceId, logSince });
      if (run.state !== 'starting') return false;
      await engine.start(id);
      return true;
    } catch (error) {
      networks.doubt(engine, spec.slot);
      holders.doubt(spec.key);
      // Somebody has its address whom we do not know.
      if (isInUse(error)) nodes.look(node);
      this.#onFailure(run, error);
      throw error;
    }
  }

  /**
   * A container that was refused never ran; it may never be able to, as when its network was removed:
   * the next start makes another. One whose start had no answer may run by now. A replica is found so
   * by its next start. A controller has to go: the next one is another instance; and until somebody has
   * seen the end of this one, its leases count (I7).
   */
  #onFailure(run: Run, error: unknown): void {
    const { containers, nodes, lost } = this.#options;
    const { spec, containerId: id, node } = run;
    if (id === undefined || node === undefined) return;
    const isRefused = statusOf(error) !== undefined;
    if (!isRefused && spec.role === 'replica') return;
    if (!isRefused) lost.add(run);
    run.containerId = undefined;
    const isLater = isRefused && isInUse(error);
    if (isLater) containers.keep(spec, { id, node, instanceId: run.instanceId });
    else containers.discard(nodes.engineOf(node), id);
  }

  /** A replica runs on its own node and nowhere else; a controller near its copies, if it can. */
  #placeOf(spec: ProcessSpec): string {
    const { nodes } = this.#options;
    if (spec.role === 'replica') return spec.node;
    const node = nodes.firstUp(spec.nodes);
    if (node !== undefined) return node;
    const reasons = nodes.observe().flatMap(({ down }) => down?.reason ?? []);
    throw new KeelsonError('UNAVAILABLE', `no node is up: ${[...new Set(reasons)].join('; ')}`);
  }

  async #readLog(run: Run): Promise<void> {
    const { containerId = '', node = '', logSince } = run;
    const ended = new AbortController();
    void run.gone.promise.then(() => ended.abort());
    try {
      const engine = this.#options.nodes.engineOf(node);
      for await (const line of engine.lines(containerId, logSince, ended.signal)) {
        const address = /^ready (\S{1,128})$/.exec(line)?.[1];
        if (address === undefined || run.state !== 'starting') continue;
        run.state = 'ready';
        this.#options.onReady(run, address);
        return;
      }
    } catch {
      // The engine went away or the container ended: either is told by other means.
    }
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof KeelsonError && error.code === 'IN_USE';
}
