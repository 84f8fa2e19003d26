import { randomUUID } from 'node:crypto';
import { assert } from '../../../replica/common/assert.ts';
import { KeelsonError, messageOf } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { SlotPlan } from '../../model/address-plan.ts';
import { copyDirectoryName } from '../../model/layout.ts';
import type { NodeRecord } from '../../model/node.ts';
import { addressOf, type RemovedCopy, type VolumeRecord } from '../../model/volume.ts';
import type { ObservedProcess } from '../../plan/observed.ts';
import { type ProcessSpec, replicaKey } from '../../plan/processes.ts';
import { mayHaveSaidWhy, showExit, WRONG_DISK_EXIT_CODE } from '../exit-reason.ts';
import type { Platform, PlatformNode, ProcessChange } from '../platform.ts';
import { Activity } from './activity.ts';
import { AddressHolders } from './address-holders.ts';
import { type ContainerLabels, LABELS } from './container-labels.ts';
import { type ContainerContext, eraseCopyOptions } from './container-options.ts';
import { Containers } from './containers.ts';
import { CutOffControllers } from './cut-off-controllers.ts';
import { DockerNodes } from './docker-nodes.ts';
import type { Engine, EngineEvent, FoundContainer } from './engine.ts';
import { type Found, takeInventory } from './inventory.ts';
import { LostInstances } from './lost-instances.ts';
import type { DockerNode } from './node-option.ts';
import { type Run, Runs } from './runs.ts';
import { Starter } from './starter.ts';
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

/**
 * Every controller and replica is a container (ADR 0023). Containers go on without us: an
 * orchestrator that starts finds them by their labels and takes them over as they are.
 */
export class DockerPlatform implements Platform {
  readonly name = 'docker';
  readonly addresses: SlotPlan;
  readonly #options: DockerPlatformOptions;
  readonly #nodes: DockerNodes;
  readonly #networks: VolumeNetworks;
  readonly #holders: AddressHolders;
  readonly #containers: Containers;
  readonly #starter: Starter;
  readonly #runs = new Runs();
  readonly #activity = new Activity();
  readonly #lost: LostInstances;
  readonly #cutOff = new CutOffControllers({
    isCutOff: (run) => this.#isCutOff(run),
    portalOf: ({ spec }) => this.addresses.portal(spec),
    onLost: (run) => this.#onLost(run),
  });
  #isOpen = false;
  #isClosed = false;

  constructor(options: DockerPlatformOptions) {
    const { context, nodes, nodeRecords, onChange, onPrepared, log } = options;
    const activity = this.#activity;
    this.#options = options;
    this.addresses = context.published?.addresses ?? context.networks.addresses;
    this.#networks = new VolumeNetworks(options);
    this.#nodes = new DockerNodes(
      {
        ...{ nodes, context, onPrepared },
        onEvent: (event) => this.#onEvent(event),
        mark: () => this.#activity.mark,
        onList: (names, found, mark) => this.#onList(names, found, mark),
        onConnect: (engine) => this.#adoptNetworks(engine),
        onChange: () => this.#onNodesChange(),
      },
      nodeRecords,
    );
    this.#holders = new AddressHolders({ context, nodes: this.#nodes, runs: this.#runs, log });
    this.#containers = new Containers({
      ...{ context, log, activity, nodes: this.#nodes, holders: this.#holders },
      newInstanceId: randomUUID,
    });
    const lost = new LostInstances((process, instanceId) => {
      onChange({ kind: 'instance-gone', process, instanceId });
    });
    this.#lost = lost;
    this.#starter = new Starter({
      ...{ nodes: this.#nodes, networks: this.#networks, containers: this.#containers },
      ...{ holders: this.#holders, activity, lost },
      onReady: ({ spec: process }, address) => onChange({ kind: 'ready', process, address }),
      onExit: (run, reason) => this.#onExit(run, reason),
      onUnwanted: (run) => this.#stopContainer(run),
    });
  }

  /** Finds what there is. Nothing may be started before that. */
  async open(): Promise<void> {
    await this.#nodes.open();
    this.#isOpen = true;
    this.#makeSpares(this.#runs.all());
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
    void this.#starter.bringUp(this.#runs.begin(spec, 'starting'));
  }

  async stop(key: string): Promise<void> {
    const run = this.#runs.get(key);
    if (run === undefined || run.state === 'down') return;
    run.isStopped = true;
    run.state = 'stopping';
    if (this.#isOutOfReach(run)) this.#onExit(run, 'its engine is away');
    else this.#stopContainer(run);
    await run.gone.promise;
  }

  async eraseCopy(volume: VolumeRecord['spec'], { replicaId, node }: RemovedCopy): Promise<void> {
    const key = replicaKey(addressOf(volume), replicaId);
    const run = this.#runs.get(key);
    assert(run === undefined || run.state === 'down', 'an erased copy has no process', { key });
    await this.#activity.whenIdle(key);
    await this.#removeContainers(this.#nodes.engineOf(node), (labels) => {
      return labels[LABELS.volumeId] === volume.id && labels[LABELS.key] === key;
    });
    await this.#eraseDirectory(volume, node);
    this.#forget(key);
  }

  async erase(record: VolumeRecord): Promise<string[]> {
    const { spec, slot } = record;
    const runs = this.#runs.ofVolume(addressOf(spec));
    for (const { state, spec: process } of runs) {
      assert(state === 'down', 'no process of an erased volume is left', { key: process.key });
      await this.#activity.whenIdle(process.key); // its spare may just be made
    }
    for (const engine of this.#nodes.enginesUp()) {
      await this.#removeContainers(engine, (labels) => labels[LABELS.volumeId] === spec.id);
    }
    const left: string[] = [];
    for (const { node } of [...Object.values(record.membership.copies), ...record.removed]) {
      if (this.#nodes.isUp(node)) await this.#eraseDirectory(spec, node);
      else left.push(`${node}:${this.#nodes.get(node).dataRoot}/${copyDirectoryName(spec)}`);
    }
    for (const engine of this.#nodes.enginesUp()) {
      await this.#networks.remove(engine, { volume: spec, slot });
    }
    for (const { spec: process } of runs) this.#forget(process.key);
    return left;
  }

  /** The containers stay: volumes outlive their orchestrator. */
  async close(): Promise<void> {
    this.kill();
  }

  kill(): void {
    this.#isClosed = true;
    this.#starter.close();
    this.#nodes.close();
  }

  #onNodesChange(): void {
    for (const run of this.#runs.all()) {
      if (run.state === 'stopping' && this.#isOutOfReach(run)) {
        this.#onExit(run, 'its engine is away');
      }
    }
    this.#cutOff.look(this.#runs.all());
    this.#options.onChange({ kind: 'nodes-changed' });
  }

  #onEvent({ action, id, labels, exitCode }: EngineEvent): void {
    if (action === 'start') this.#onForeignStart(id, labels);
    if (action === 'die' || action === 'destroy') {
      this.#lost.onEnd(id);
      this.#holders.onEnd(id);
    }
    const run = this.#runs.inContainer(id);
    // Two nodes may share an engine that each of them reaches in its own way: once is enough.
    if (run === undefined || labels[LABELS.node] !== run.node) return;
    if (action === 'die') void this.#onDie(run, exitCode ?? 0);
    if (action === 'destroy') this.#onExit(run, 'its container was removed');
    if (action === 'pause' || action === 'unpause') {
      this.#options.onChange({ kind: 'paused', process: run.spec, isPaused: action === 'pause' });
    }
  }

  /** A controller runs once in a container: one that somebody starts again (docker restart) has to go. */
  #onForeignStart(id: string, labels: ContainerLabels): void {
    const { [LABELS.role]: role, [LABELS.key]: key = '', [LABELS.node]: node = '' } = labels;
    const run = this.#runs.get(key);
    if (role !== 'controller' || run === undefined) return;
    const isOurs = run.state !== 'down' && run.containerId === id;
    if (isOurs || this.#containers.isKept(key, id)) return;
    this.#containers.discard(this.#nodes.engineOf(node), id);
  }

  async #onDie(run: Run, exitCode: number): Promise<void> {
    if (!mayHaveSaidWhy(exitCode)) return this.#onExit(run, showExit(exitCode));
    const { containerId = '', node = '' } = run;
    const engine = this.#nodes.engineOf(node);
    const words = await engine.lastWords(containerId).catch(() => undefined);
    if (exitCode === WRONG_DISK_EXIT_CODE && run.spec.role === 'replica') {
      this.#nodes.reportDisk(node, words ?? 'its directory is not there');
    }
    this.#onExit(run, showExit(exitCode, words));
  }

  #onExit(run: Run, reason: string): void {
    const { spec: process, instanceId, isStopped, containerId, node } = run;
    if (this.#runs.get(process.key) !== run || run.state === 'down') return;
    this.#activity.touch(process.key);
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
    this.#lost.add(run);
    this.#onExit(run, `neither it nor the engine of ${run.node} answers`);
  }

  /** What these nodes had since the mark: events may have been lost, or we are new here. */
  #onList(nodes: ReadonlySet<string>, found: readonly FoundContainer[], mark: number): void {
    this.#lost.onList(nodes, found);
    const isSettled = (key: string) => this.#activity.isSettledSince(key, mark);
    const wanted = this.#options.wanted();
    const listed = found.filter(({ labels }) => {
      // Jobs are those of an earlier orchestrator; ours begin when all was seen.
      const isJob = labels[LABELS.role] === 'job' && !this.#isOpen;
      const isHere = isJob || nodes.has(labels[LABELS.node] ?? '');
      return isHere && isSettled(labels[LABELS.key] ?? '');
    });
    const known = this.#runs.on(nodes).filter(({ spec, state }) => {
      return state !== 'down' && isSettled(spec.key);
    });
    for (const run of known) {
      const container = listed.find(({ id }) => id === run.containerId);
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
    this.#holders.onList(nodes, { listed, holders: inventory.holders, isSettled });
    const [node = ''] = nodes;
    for (const id of [...surplus, ...inventory.orphans]) {
      this.#containers.discard(this.#nodes.engineOf(node), id);
    }
    if (!this.#isOpen) return;
    this.#makeSpares(known);
    this.#repairNetworks(listed);
  }

  /** A replica has its address itself, a controller by its holder. */
  #repairNetworks(listed: readonly FoundContainer[]): void {
    for (const container of listed) {
      const run = this.#runs.get(container.labels[LABELS.key] ?? '');
      if (run?.state !== 'ready' || run.node === undefined || !container.isLive) continue;
      const { spec, node, containerId } = run;
      const holder = spec.role === 'controller' ? this.#holders.idOn(node, spec.key) : containerId;
      if (container.id !== holder) continue;
      void this.#networks.repair(this.#nodes.engineOf(node), spec, container);
    }
  }

  #makeSpares(runs: readonly Run[]): void {
    for (const run of runs) void this.#starter.makeSpare(run);
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

  async #removeContainers(
    engine: Engine,
    isMeant: (labels: ContainerLabels) => boolean,
  ): Promise<void> {
    for (const { id, labels } of await engine.containers(this.#options.context.installation)) {
      if (isMeant(labels)) await engine.remove(id);
    }
  }

  #forget(key: string): void {
    this.#runs.forget(key);
    this.#containers.forget(key);
    this.#holders.forget(key);
    this.#activity.forget(key);
  }

  /** What became of it is not known, nor can it be changed. */
  #isOutOfReach({ node }: Run): boolean {
    return node !== undefined && !this.#nodes.hasEngine(node);
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
