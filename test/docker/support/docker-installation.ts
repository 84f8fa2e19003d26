import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { ContainerInfo } from 'dockerode';
import type { ApiClient } from '../../../orchestrator/client/api-client.ts';
import { copyDirectoryName } from '../../../orchestrator/model/layout.ts';
import type { VolumeView } from '../../../orchestrator/model/view.ts';
import { addressOf, type VolumeName } from '../../../orchestrator/model/volume.ts';
import { LABELS } from '../../../orchestrator/platforms/docker/container-labels.ts';
import { runOk } from '../../support/child.ts';
import { type Dockerd, type DockerdOptions, startDockerd } from '../../support/dockerd.ts';
import { imagesFor } from '../../support/dockerd-images.ts';
import { whenHealthy } from '../../support/healthy.ts';
import type { VolumeHost, VolumeWish } from '../../support/verified-volume.ts';
import { EngineDoor } from './engine-door.ts';
import { Orchestrator } from './orchestrator.ts';

export interface InstallationOptions extends Pick<DockerdOptions, 'endsWithContainers'> {
  readonly nodeCount: number;
}

/** Its directory lies on a file system of its own, which can be filled up. */
export const SMALL_NODE = 'node3';
const SMALL_NODE_BYTES = 256 * 1024 ** 2;

interface TestNode {
  readonly name: string;
  readonly door: EngineDoor;
  readonly dataRoot: string;
}

const HEALTHY_LIMIT_MS = 120_000;
const DEFAULT_REPLACE_AFTER_SECONDS = 60;

/** An engine of the test, declared as several nodes, and an orchestrator that can be killed. */
export class DockerInstallation implements VolumeHost {
  readonly dockerd: Dockerd;
  readonly dataDir: string;
  readonly #nodes: readonly TestNode[];
  readonly #onEngineStart: (() => Promise<void>)[] = [];
  #orchestrator: Orchestrator | undefined;
  #replaceAfterSeconds = DEFAULT_REPLACE_AFTER_SECONDS;

  private constructor(dockerd: Dockerd, dataDir: string, nodes: readonly TestNode[]) {
    this.dockerd = dockerd;
    this.dataDir = dataDir;
    this.#nodes = nodes;
  }

  /** The images are there; no orchestrator runs yet. */
  static async prepare(options: InstallationOptions): Promise<DockerInstallation> {
    const { nodeCount, ...engine } = options;
    const dockerd = await startDockerd(engine);
    try {
      await imagesFor(dockerd.engine);
      const { directory, socketPath } = dockerd;
      const nodes: TestNode[] = [];
      for (let number = 1; number <= nodeCount; number += 1) {
        const name = `node${number}`;
        const door = await EngineDoor.open(join(directory, `${name}.sock`), socketPath);
        nodes.push({ name, door, dataRoot: join(directory, name) });
      }
      const dataDir = join(directory, 'data');
      mkdirSync(dataDir);
      const installation = new DockerInstallation(dockerd, dataDir, nodes);
      await installation.#mountSmallDisk();
      return installation;
    } catch (error) {
      await dockerd.stop();
      throw error;
    }
  }

  get engine(): Docker {
    return this.dockerd.engine;
  }

  get orchestrator(): Orchestrator {
    if (this.#orchestrator === undefined) throw new Error('expected an orchestrator, none runs');
    return this.#orchestrator;
  }

  /** What the orchestrator that runs has said so far. */
  get output(): string {
    return this.#orchestrator?.output ?? 'no orchestrator runs';
  }

  get api(): ApiClient {
    return this.orchestrator.api;
  }

  get nodeNames(): string[] {
    return this.#nodes.map(({ name }) => name);
  }

  /** As --node describes them. */
  get nodeOptions(): string[] {
    return this.#nodes.map(
      ({ name, dataRoot, door }) =>
        `name=${name},data=${dataRoot},engine=unix://${door.socketPath}`,
    );
  }

  async start(replaceAfterSeconds = this.#replaceAfterSeconds): Promise<Orchestrator> {
    this.#replaceAfterSeconds = replaceAfterSeconds;
    const { dataDir, nodeOptions: nodes } = this;
    this.#orchestrator = await Orchestrator.start({ dataDir, nodes, replaceAfterSeconds });
    return this.#orchestrator;
  }

  /** SIGKILL; whatever runs in containers is not touched by it. */
  async killOrchestrator(): Promise<void> {
    await this.orchestrator.kill();
    this.#orchestrator = undefined;
  }

  async waitAsLongAs(replaceAfterSeconds: number): Promise<void> {
    if (this.#replaceAfterSeconds === replaceAfterSeconds) return;
    await this.killOrchestrator();
    await this.start(replaceAfterSeconds);
  }

  node(name: string): TestNode {
    const node = this.#nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`expected a node ${name}, there is none`);
    return node;
  }

  /** All containers of the installation, or of one volume, whatever their state. */
  async containers(volume?: VolumeName): Promise<ContainerInfo[]> {
    const label =
      volume === undefined ? LABELS.installation : `${LABELS.volume}=${addressOf(volume)}`;
    return this.engine.listContainers({ all: true, filters: { label: [label] } });
  }

  /** The id of the container in which the volume's controller runs. */
  async controllerOf(volume: VolumeName): Promise<string> {
    return this.#running(volume, { [LABELS.role]: 'controller' });
  }

  /** Of the one that has its address. */
  async holderOf(volume: VolumeName): Promise<string> {
    return this.#running(volume, { [LABELS.role]: 'holder' });
  }

  async replicaOf(volume: VolumeName, node: string): Promise<string> {
    return this.#running(volume, { [LABELS.role]: 'replica', [LABELS.node]: node });
  }

  /** Everything on one node ends at once, and so does the way to it. */
  async takeNodeAway(name: string): Promise<void> {
    this.node(name).door.shut();
    const label = [`${LABELS.node}=${name}`];
    const found = await this.engine.listContainers({ filters: { label } });
    await Promise.all(found.map(({ Id }) => this.engine.getContainer(Id).kill()));
  }

  async bringNodeBack(name: string): Promise<void> {
    await this.node(name).door.open();
  }

  /** Takes what is free on the disk of SMALL_NODE. */
  async fillSmallDisk(): Promise<void> {
    const fill = 'dd if=/dev/zero of="$1" bs=64k 2>/dev/null; sync "$1"';
    await this.dockerd.inside('sh', ['-c', fill, 'sh', this.#ballast]);
  }

  async freeSmallDisk(): Promise<void> {
    await this.dockerd.inside('rm', [this.#ballast]);
  }

  /** Again after it was killed: it forgets who watches it. */
  async startDockerd(): Promise<void> {
    await this.dockerd.start();
    for (const again of this.#onEngineStart) await again();
  }

  /** Calls this now, and whenever the engine was started again. */
  async withEngine(work: () => Promise<void>): Promise<void> {
    this.#onEngineStart.push(work);
    await work();
  }

  createVolume(name: VolumeName, wish: VolumeWish): Promise<VolumeView> {
    return this.api.createVolume({ ...name, ...wish });
  }

  deleteVolume(name: VolumeName): Promise<void> {
    return this.api.deleteVolume(name, { isForced: true });
  }

  differenceOf(volume: VolumeView, node: string, otherNode: string): Promise<string> {
    const files = [node, otherNode].map((name) => this.dataFileOf(volume, name));
    return this.dockerd.inside('sh', ['-c', 'cmp "$1" "$2" 2>&1 || true', 'sh', ...files]);
  }

  dataFileOf(volume: VolumeView, node: string): string {
    return join(this.copyDirectoryOf(volume, node), 'data');
  }

  copyDirectoryOf(volume: VolumeView, node: string): string {
    return join(this.node(node).dataRoot, copyDirectoryName(volume));
  }

  whenHealthy(volume: VolumeName, afterGeneration = -1): Promise<VolumeView> {
    const limits = { withinMs: HEALTHY_LIMIT_MS, everyMs: 20 };
    return whenHealthy(this.api, volume, { afterGeneration, ...limits });
  }

  async stop(): Promise<void> {
    await this.#orchestrator?.kill();
    for (const { door } of this.#nodes) door.shut();
    await this.dockerd.stop();
  }

  get #ballast(): string {
    return join(this.node(SMALL_NODE).dataRoot, 'ballast');
  }

  /** Where containers see it; it goes with the engine's mount namespace. */
  async #mountSmallDisk(): Promise<void> {
    const { dataRoot } = this.node(SMALL_NODE);
    const image = `${dataRoot}.img`;
    writeFileSync(image, '');
    truncateSync(image, SMALL_NODE_BYTES);
    // Without a reserve for root, full means full.
    await runOk('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'nodiscard', image]);
    mkdirSync(dataRoot);
    await this.dockerd.inside('mount', ['-o', 'loop', image, dataRoot]);
  }

  async #running(volume: VolumeName, labels: Readonly<Record<string, string>>): Promise<string> {
    const found = await this.containers(volume);
    const running = found.filter(
      ({ State, Labels }) =>
        State !== 'created' &&
        State !== 'exited' &&
        Object.entries(labels).every(([label, value]) => Labels[label] === value),
    );
    const [first] = running;
    if (first !== undefined && running.length === 1) return first.Id;
    throw new Error(
      `expected one container of ${addressOf(volume)} with ${JSON.stringify(labels)}, ` +
        `found ${running.length}`,
    );
  }
}
