import type { NodeRecord } from '../../../../orchestrator/model/node.ts';
import type { VolumeRecord } from '../../../../orchestrator/model/volume.ts';
import { type ProcessSpec, processesOf } from '../../../../orchestrator/plan/processes.ts';
import { DockerPlatform } from '../../../../orchestrator/platforms/docker/docker-platform.ts';
import { privateNetworks } from '../../../../orchestrator/platforms/docker/private-networks.ts';
import type { ProcessChange } from '../../../../orchestrator/platforms/platform.ts';
import type { FakeEngine } from './fake-engine.ts';
import { makeRecord } from './records.ts';

const WAIT_MS = 4_000;

export interface StageOptions {
  /** Of the images. */
  readonly tag?: string;
  readonly isWanted?: (process: ProcessSpec) => boolean;
}

/** The Docker platform on an engine that only pretends, with one volume that has one copy. */
export class DockerStage {
  readonly platform: DockerPlatform;
  readonly record: VolumeRecord;
  readonly changes: ProcessChange[] = [];
  readonly warnings: string[] = [];
  /** Which of its processes there should be. */
  isWanted: (process: ProcessSpec) => boolean;
  readonly #waiters = new Set<() => void>();

  private constructor(engine: FakeEngine, record: VolumeRecord, options: StageOptions) {
    const { tag = '1', isWanted = () => true } = options;
    this.record = record;
    this.isWanted = isWanted;
    const node: NodeRecord = {
      ...{ name: 'node1', number: 1, isPrepared: true, isCordoned: false, isDraining: false },
    };
    // Where nobody ever answers, whatever else this machine runs.
    const networks = privateNetworks('127.213', () => 1);
    const silent = () => undefined;
    this.platform = new DockerPlatform({
      context: {
        ...{ installation: 'inst', namePrefix: 'k', networks, published: undefined },
        images: { controller: `controller:${tag}`, replica: `replica:${tag}` },
        registryUrl: () => 'http://127.213.3.1:5705',
      },
      nodes: [{ name: 'node1', dataRoot: '/srv', engine: { url: `unix://${engine.socketPath}` } }],
      nodeRecords: [node],
      wanted: () => {
        const wanted = processesOf(record).filter((process) => this.isWanted(process));
        return new Map(wanted.map((process) => [process.key, process]));
      },
      ...{ openDoor: async () => undefined, closeDoor: silent, onPrepared: async () => undefined },
      onChange: (change) => {
        this.changes.push(change);
        for (const waiter of this.#waiters) waiter();
      },
      log: { info: silent, warn: (message) => this.warnings.push(message), error: console.error },
    });
  }

  static async open(engine: FakeEngine, options: StageOptions = {}): Promise<DockerStage> {
    const stage = new DockerStage(engine, makeRecord({ copyCount: 1 }), options);
    await stage.platform.open();
    return stage;
  }

  get controller(): ProcessSpec {
    return this.#process('controller');
  }

  get replica(): ProcessSpec {
    return this.#process('replica');
  }

  stateOf(process: ProcessSpec): string | undefined {
    return this.platform.observe('default/demo').find(({ key }) => key === process.key)?.state;
  }

  exits(): string[] {
    return this.changes.flatMap((change) =>
      change.kind === 'exited'
        ? `${change.process.role} ${change.instanceId}: ${change.reason}`
        : [],
    );
  }

  /** Instances whose end was seen late. */
  gone(): string[] {
    return this.changes.flatMap((change) =>
      change.kind === 'instance-gone' ? change.instanceId : [],
    );
  }

  /** Starts it and waits until it says that it is ready. */
  async up(process: ProcessSpec): Promise<void> {
    this.platform.start(process);
    await this.until(() => this.stateOf(process) === 'ready');
  }

  /** Looks again at every change, and a little later: not everything is told. */
  async until(isSo: () => boolean): Promise<void> {
    const giveUpAtMs = performance.now() + WAIT_MS;
    while (!isSo()) {
      if (performance.now() > giveUpAtMs) {
        throw new Error(`never: ${isSo}; ${JSON.stringify(this.exits())} ${this.warnings}`);
      }
      await new Promise<void>((done) => {
        const timer = setTimeout(done, 5);
        this.#waiters.add(() => {
          clearTimeout(timer);
          done();
        });
      });
      this.#waiters.clear();
    }
  }

  #process(role: ProcessSpec['role']): ProcessSpec {
    const found = processesOf(this.record).find((process) => process.role === role);
    if (found === undefined) throw new Error(`expected a ${role}`);
    return found;
  }
}
