import { randomUUID } from 'node:crypto';
import { assert } from '../../../replica/common/assert.ts';
import { KeelsonError, messageOf } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import { copyDirectoryName } from '../../model/layout.ts';
import type { NodeRecord } from '../../model/node.ts';
import { addressOf, type RemovedCopy, type VolumeRecord } from '../../model/volume.ts';
import type { ObservedProcess } from '../../plan/observed.ts';
import { type ProcessSpec, replicaKey } from '../../plan/processes.ts';
import type { Platform, PlatformNode, ProcessChange } from '../platform.ts';
import { LABELS } from './container-labels.ts';
import { type ContainerContext, eraseCopyOptions } from './container-options.ts';
import { Containers } from './containers.ts';
import { CutOffControllers } from './cut-off-controllers.ts';
import { DockerNodes, WRONG_DISK_EXIT_CODE } from './docker-nodes.ts';
import type { Engine, EngineEvent, FoundContainer } from './engine.ts';
import { type Found, takeInventory } from './inventory.ts';
import type { DockerNode } from './node-option.ts';
import { type Run, Runs } from './runs.ts';
import { type Doors, VolumeNetworks } from './volume-networks.ts';

export interface DockerPlatformOptions extends Doors {
  readonly context: ContainerContext;
  readonly nodes: readonly DockerNode[];
  readonly nodeRecords: readonly NodeRecord[];
  /** Every process that there should be at this moment, by key. */
  readonly wanted: () => ReadonlyMap<string, ProcessSpec>;
  /** From now on a missing directory of this node is a missing disk. */
  readonly onPrepared: (node: string) => Promise<void>;
  readonly onChange: (change: ProcessChange) => void;
  readonly log: Log;
}

/** Exit codes of processes that a signal ended are above this. */
const SIGNAL_EXIT_CODE = 128;
const SIGNALS: Readonly<Record<number, string>> = { 6: 'SIGABRT', 9: 'SIGKILL', 15: 'SIGTERM' };

/**
 * Every controller and replica is a container (ADR 0023). Containers go on without us: an
 * orchestrator that starts finds them by their labels and takes them over as they are.
 */
export class DockerPlatform implements Platform {
  readonly name = 'docker';
  readonly addresses: Platform['addresses'];
  readonly #options: DockerPlatformOptions;
  readonly #nodes: DockerNodes;
  readonly #networks: VolumeNetworks;
  readonly #containers: Containers;
  readonly #runs = new Runs();
  readonly #cutOff = new CutOffControllers({
    isCutOff: (run) => this.#isCutOff(run),
    portalOf: ({ spec }) => this.addresses.portal(spec.slot),
    onLost: (run) => this.#onLost(run),
  });
  #isOpen = false;
  #isClosed = false;

  constructor(options: DockerPlatformOptions) {
    const { context, nodes, nodeRecords, onChange, onPrepared, log } = options;
    this.#options = options;
    this.addresses = context.published?.addresses ?? context.networks.addresses;
    this.#networks = new VolumeNetworks(options);
    this.#nodes = new DockerNodes(
      {
        ...{ nodes, context, onPrepared },
        onEvent: (event) => this.#onEvent(event),
        onList: (names, found) => this.#onList(names, found),
        onConnect: (engine) => this.#adoptNetworks(engine),
        onChange: () => {
          this.#cutOff.look(this.#runs.all());
          onChange({ kind: 'nodes-changed' });
        },
      },
      nodeRecords,
    );
    this.#containers = new Containers({
      ...{ context, log, nodes: this.#nodes, newInstanceId: randomUUID },
    });
  }

  /** Finds what there is. Nothing may be started before that. */
  async open(): Promise<void> {
    await this.#nodes.open();
    this.#isOpen = true;
  }

  /** The controllers that run; undefined when an engine that may run more does not answer. */
  liveInstances(): ReadonlySet<string> | undefined {
    if (!this.#nodes.areAllUp) return undefined;
    const runs = [...this.#options.wanted().keys()].map((key) => this.#runs.get(key));
    return new Set(runs.flatMap((run) => (run?.state === 'down' ? [] : (run?.instanceId ?? []))));
  }

  /** Where the controller of a volume is, or was last; undefined when it never was. */
  controllerNode(slot: number): string | undefined {
    const run = this.#runs
      .all()
      .find(({ spec }) => spec.role === 'controller' && spec.slot === slot);
    return run?.node;
  }

  observe(volume: string): ObservedProcess[] {
    return this.#runs.observe(volume);
  }

  observeNodes(): PlatformNode[] {
    return this.#nodes.observe();
  }

  start(spec: ProcessSpec): void {
    const run = this.#runs.begin(spec, 'starting');
    this.#bringUp(run).catch((error: unknown) => {
      this.#onExit(run, `cannot start: ${messageOf(error)}`);
    });
  }

  async stop(key: string): Promise<void> {
    const run = this.#runs.get(key);
    if (run === undefined || run.state === 'down') return;
    run.isStopped = true;
    run.state = 'stopping';
    this.#stopContainer(run);
    await run.gone.promise;
  }

  async eraseCopy(volume: VolumeRecord['spec'], { replicaId, node }: RemovedCopy): Promise<void> {
    const key = replicaKey(addressOf(volume), replicaId);
    const run = this.#runs.get(key);
    assert(run === undefined || run.state === 'down', 'an erased copy has no process', { key });
    await this.#containers.remove(key);
    await this.#eraseDirectory(volume, node);
    this.#runs.forget(key);
  }

  async erase(record: VolumeRecord): Promise<string[]> {
    const { spec, slot } = record;
    const runs = this.#runs.ofVolume(addressOf(spec));
    for (const { state, spec: process } of runs) {
      assert(state === 'down', 'no process of an erased volume is left', { key: process.key });
    }
    for (const engine of this.#nodes.enginesUp()) await this.#removeContainers(engine, spec.id);
    const left: string[] = [];
    for (const { node } of [...Object.values(record.membership.copies), ...record.removed]) {
      if (this.#nodes.isUp(node)) await this.#eraseDirectory(spec, node);
      else left.push(`${node}:${this.#nodes.get(node).dataRoot}/${copyDirectoryName(spec)}`);
    }
    for (const engine of this.#nodes.enginesUp()) {
      await this.#networks.remove(engine, { volume: spec, slot });
    }
    for (const { spec: process } of runs) {
      this.#runs.forget(process.key);
      this.#containers.forget(process.key);
    }
    return left;
  }

  /** The containers stay: volumes outlive their orchestrator. */
  async close(): Promise<void> {
    this.kill();
  }

  kill(): void {
    this.#isClosed = true;
    this.#nodes.close();
  }

  async #bringUp(run: Run): Promise<void> {
    const { spec } = run;
    const node = this.#placeOf(spec);
    const engine = this.#nodes.engineOf(node);
    let logSince = 0;
    await this.#containers.whileBusy(spec.key, async () => {
      try {
        await this.#networks.ensure(engine, spec);
        const chosen = await this.#containers.choose(spec, node);
        logSince = chosen.logSince;
        Object.assign(run, { node, containerId: chosen.id, instanceId: chosen.instanceId });
        if (run.state === 'starting') await engine.start(chosen.id);
      } catch (error) {
        this.#networks.doubt(engine, spec.slot);
        throw error;
      }
    });
    if (run.isStopped) {
      this.#onExit(run, 'stopped before it was up');
      return;
    }
    await this.#waitUntilReady(run, engine, logSince);
    // Only now: nobody waits for it, and the start of this one had the machine for itself.
    if (spec.role === 'controller') await this.#containers.makeSpare(spec, node);
  }

  /** A replica runs on its own node and nowhere else; a controller near its copies, if it can. */
  #placeOf(spec: ProcessSpec): string {
    if (spec.role === 'replica') return spec.node;
    const node = this.#nodes.firstUp(spec.nodes);
    if (node !== undefined) return node;
    const reasons = this.#nodes.observe().flatMap(({ down }) => down?.reason ?? []);
    throw new KeelsonError('UNAVAILABLE', `no node is up: ${[...new Set(reasons)].join('; ')}`);
  }

  async #waitUntilReady(run: Run, engine: Engine, logSince: number): Promise<void> {
    const { containerId = '' } = run;
    const ended = new AbortController();
    void run.gone.promise.then(() => ended.abort());
    try {
      for await (const line of engine.lines(containerId, logSince, ended.signal)) {
        const address = /^ready (\S{1,128})$/.exec(line)?.[1];
        if (address === undefined || run.state !== 'starting') continue;
        run.state = 'ready';
        this.#options.onChange({ kind: 'ready', process: run.spec, address });
        return;
      }
    } catch {
      // The engine went away or the container ended: either is told by other means.
    }
  }

  #onEvent({ action, id, labels, exitCode }: EngineEvent): void {
    const run = this.#runs.inContainer(id);
    // Two nodes may share an engine that each of them reaches in its own way: once is enough.
    if (run === undefined || labels[LABELS.node] !== run.node) return;
    if (action === 'die') void this.#onDie(run, exitCode ?? 0);
    if (action === 'destroy') this.#onExit(run, 'its container was removed');
    if (action === 'pause' || action === 'unpause') {
      this.#options.onChange({ kind: 'paused', process: run.spec, isPaused: action === 'pause' });
    }
  }

  async #onDie(run: Run, exitCode: number): Promise<void> {
    if (exitCode === 0 || exitCode > SIGNAL_EXIT_CODE) {
      const signal = exitCode - SIGNAL_EXIT_CODE;
      this.#onExit(run, exitCode === 0 ? 'code 0' : `signal ${SIGNALS[signal] ?? signal}`);
      return;
    }
    const { containerId = '', node = '' } = run;
    const engine = this.#nodes.engineOf(node);
    const words = await engine.lastWords(containerId).catch(() => undefined);
    if (exitCode === WRONG_DISK_EXIT_CODE && run.spec.role === 'replica') {
      this.#nodes.reportDisk(node, words ?? 'its directory is not there');
    }
    this.#onExit(run, words === undefined ? `code ${exitCode}` : `code ${exitCode}: ${words}`);
  }

  #onExit(run: Run, reason: string): void {
    const { spec: process, instanceId, isStopped, containerId, node } = run;
    if (this.#runs.get(process.key) !== run || run.state === 'down') return;
    const quickExits = this.#runs.end(run);
    if (containerId !== undefined && node !== undefined) {
      this.#containers.onEnd(process, { id: containerId, node, instanceId });
    }
    this.#options.onChange({ kind: 'exited', process, instanceId, reason, isStopped, quickExits });
  }

  /** Whether a controller runs where its engine cannot be asked about it. */
  #isCutOff({ spec, state, node, containerId }: Run): boolean {
    if (this.#isClosed || spec.role !== 'controller' || state === 'down') return false;
    return containerId !== undefined && node !== undefined && !this.#nodes.hasEngine(node);
  }

  /** Nobody has seen its end: its leases are waited for (I7). */
  #onLost(run: Run): void {
    run.instanceId = undefined;
    this.#onExit(run, `neither it nor the engine of ${run.node} answers`);
  }

  /** What these nodes have at this moment: events may have been lost, or we are new here. */
  #onList(nodes: ReadonlySet<string>, found: readonly FoundContainer[]): void {
    const wanted = this.#options.wanted();
    const listed = found.filter(({ labels }) => {
      // Jobs are those of an earlier orchestrator; ours begin when all was seen.
      const isJob = labels[LABELS.role] === 'job' && !this.#isOpen;
      const isHere = isJob || nodes.has(labels[LABELS.node] ?? '');
      return isHere && !this.#containers.isBusy(labels[LABELS.key]);
    });
    for (const run of this.#runs.on(nodes)) {
      const container = listed.find(({ id }) => id === run.containerId);
      if (this.#containers.isBusy(run.spec.key) || run.state === 'down') continue;
      if (container?.isLive !== true) this.#onExit(run, 'ended while the engine was not watched');
      else if (run.state === 'stopping') this.#stopContainer(run);
    }
    const inventory = takeInventory(listed, ({ key, volumeId, node }) => {
      const spec = wanted.get(key);
      const isItsNode = spec?.role === 'controller' || spec?.node === node;
      return spec?.volume.id === volumeId && isItsNode;
    });
    const second = inventory.live.filter((one) => !this.#takeOver(one, wanted.get(one.key)));
    const surplus = [...second, ...this.#containers.adopt(inventory)].map(({ id }) => id);
    const [node = ''] = nodes;
    for (const id of [...surplus, ...inventory.orphans]) {
      this.#containers.discard(this.#nodes.engineOf(node), id);
    }
  }

  #adoptNetworks(engine: Engine): Promise<void> {
    const processes = [...this.#options.wanted().values()];
    return this.#networks.adopt(engine, new Set(processes.map(({ volume }) => volume.id)));
  }

  /** Whether a container that runs is, or becomes, the run of its process. */
  #takeOver({ id, key, node, instanceId }: Found, spec: ProcessSpec | undefined): boolean {
    const known = this.#runs.get(key);
    if (known !== undefined && known.state !== 'down') return known.containerId === id;
    if (spec === undefined) return false;
    Object.assign(this.#runs.begin(spec, 'ready'), { containerId: id, node, instanceId });
    return true;
  }

  /** Its end is told by the engine. One that cannot be asked now is asked when it is back. */
  #stopContainer({ containerId, node }: Run): void {
    if (containerId === undefined || node === undefined) return; // bringUp sees to it
    this.#nodes
      .engineOf(node)
      .stop(containerId)
      .catch((error: unknown) => {
        this.#options.log.warn('stop a container', { containerId, error: messageOf(error) });
      });
  }

  async #removeContainers(engine: Engine, volumeId: string): Promise<void> {
    for (const { id, labels } of await engine.containers(this.#options.context.installation)) {
      if (labels[LABELS.volumeId] === volumeId) await engine.remove(id);
    }
  }

  async #eraseDirectory(volume: VolumeRecord['spec'], node: string): Promise<void> {
    const options = eraseCopyOptions(this.#options.context, this.#nodes.get(node), volume);
    const { exitCode, sentence } = await this.#nodes.runJob(node, options);
    if (exitCode === 0) return;
    const reason = sentence ?? `the job ended with code ${exitCode}`;
    throw new KeelsonError(
      'IO_FAILED',
      `erase a copy of ${addressOf(volume)} on ${node}: ${reason}`,
    );
  }
}
