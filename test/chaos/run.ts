import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { eventually } from '../support/child.ts';
import { SeededRandom } from '../support/random.ts';
import { type FaultKind, killEverything, type Patient } from './faults.ts';
import { Initiator } from './initiator/initiator.ts';
import { dataFileOf, Installation } from './installation.ts';
import { firstDifference } from './same-copies.ts';
import { SmallDisk } from './small-disk.ts';
import { storm } from './storm.ts';
import { Tally } from './tally.ts';
import { Timeline } from './timeline.ts';
import { prepareTraffic } from './traffic.ts';
import { Verdict } from './verdict.ts';
import { Workload } from './workload.ts';

/** Two with a copy on every node, large and small, and one that a single loss leaves alone. */
const VOLUMES = [
  { name: 'alpha', replicas: 2, mebibytes: 64 },
  { name: 'beta', replicas: 2, mebibytes: 192 },
  { name: 'gamma', replicas: 1, mebibytes: 64 },
] as const;

/** One more than any volume needs, so that there is room for replacements. */
const NODES = ['node1', 'node2', 'node3', 'node4'];
/** All three volumes fit, and little more. */
const SMALL_NODE = { name: 'node3', bytes: 448 * 1024 ** 2 };

const STORM_MS = 15_000;
/** With all faults healed, on a machine that is shared. */
const HEALTHY_LIMIT_MS = 120_000;
const ANSWER_LIMIT_MS = 60_000;
const SAME_LIMIT_MS = 10_000;

export interface ChaosResult {
  /** undefined: everything was as it should be. */
  readonly failure: string | undefined;
  readonly summary: readonly string[];
  /** Where data and logs are; removed after a good run. */
  readonly directory: string;
}

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Keep data and logs of a good run too. */
  readonly isKept: boolean;
}

/** Storms and calms in turns for `durationMs`, then everything is killed at once and read back. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const run = await ChaosRun.start(options);
  try {
    await run.create();
    const endMs = performance.now() + options.durationMs;
    do {
      await run.storm(Math.min(STORM_MS, Math.max(1_000, endMs - performance.now())));
      await run.calm();
    } while (performance.now() < endMs && !run.hasFailed);
    if (!run.hasFailed) await run.killAndVerify();
  } catch (error) {
    run.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return run.close();
}

class ChaosRun {
  readonly #isKept: boolean;
  readonly #directory: string;
  readonly #timeline: Timeline;
  readonly #installation: Installation;
  readonly #patient: Patient;
  readonly #tally = new Tally();
  readonly #verdict = new Verdict();
  readonly #deck: FaultKind[] = [];
  #initiators: Initiator[] = [];
  #workloads: Workload[] = [];

  private constructor(parts: {
    isKept: boolean;
    directory: string;
    timeline: Timeline;
    installation: Installation;
    patient: Patient;
  }) {
    this.#isKept = parts.isKept;
    this.#directory = parts.directory;
    this.#timeline = parts.timeline;
    this.#installation = parts.installation;
    this.#patient = parts.patient;
  }

  static async start({ seed, isKept }: ChaosOptions): Promise<ChaosRun> {
    const directory = mkdtempSync(join(tmpdir(), 'keelson-chaos-'));
    const dataDir = join(directory, 'data');
    const timeline = new Timeline(join(directory, 'timeline.log'));
    timeline.note(`seed ${seed}`);
    await prepareTraffic();
    const mountPoint = join(dataDir, 'nodes', SMALL_NODE.name);
    const disk = await SmallDisk.mount(join(directory, 'disk.img'), mountPoint, SMALL_NODE.bytes);
    const logPath = join(directory, 'orchestrator.log');
    const installation = new Installation({ dataDir, nodeCount: NODES.length, logPath, timeline });
    const random = new SeededRandom(seed);
    const plainNodes = NODES.filter((node) => node !== SMALL_NODE.name);
    const patient = { installation, volumes: VOLUMES, disk, dataDir, plainNodes, random };
    return new ChaosRun({ isKept, directory, timeline, installation, patient });
  }

  get hasFailed(): boolean {
    return this.#verdict.signal.aborted;
  }

  fail(reason: string): void {
    this.#verdict.fail(reason);
  }

  async create(): Promise<void> {
    await this.#installation.whenUp();
    const { random } = this.#patient;
    for (const [volume, { name, replicas, mebibytes }] of VOLUMES.entries()) {
      const labels = { 'keelson.io/replicas': String(replicas) };
      const size = `${mebibytes}Mi`;
      const { api } = this.#installation;
      const view = await api.createVolume({ namespace: 'default', name, size, labels });
      const initiator = this.#connect(view);
      this.#initiators.push(initiator);
      this.#workloads.push(
        new Workload({
          ...{ name, volume, initiator, tally: this.#tally, verdict: this.#verdict },
          blockCount: (mebibytes * 1024 ** 2) / BLOCK_BYTES,
          random: new SeededRandom(random.seed + 1 + volume),
        }),
      );
    }
  }

  async storm(durationMs: number): Promise<void> {
    for (const workload of this.#workloads) workload.start();
    await storm({
      ...{ patient: this.#patient, verdict: this.#verdict, timeline: this.#timeline },
      ...{ deck: this.#deck, durationMs },
      onFault: (name) => this.#tally.fault(name),
    });
  }

  /** With the faults gone: healthy again, every command answered, all copies the same. */
  async calm(): Promise<void> {
    await this.#heal();
    if (this.hasFailed) return;
    const drained = Promise.all(this.#workloads.map((workload) => workload.pause()));
    await within(ANSWER_LIMIT_MS, drained, 'every command has an answer');
    await this.#compare();
    for (const workload of this.#workloads) {
      await workload.verify();
      await workload.trim();
    }
  }

  /** No loss of power: what was acknowledged survives, flushed or not. */
  async killAndVerify(): Promise<void> {
    for (const workload of this.#workloads) workload.start();
    await pause(1_000); // some I/O under way, which the kill interrupts
    this.#timeline.note('FAULT kill everything, for the last check');
    killEverything(this.#patient);
    await this.calm();
  }

  async close(): Promise<ChaosResult> {
    const failure = this.#verdict.reason;
    if (failure !== undefined) this.#timeline.note(`FAILED: ${failure}`);
    const sessionCount = this.#initiators.reduce((sum, each) => sum + each.sessionCount, 0);
    await Promise.all(this.#initiators.map((initiator) => initiator.stop()));
    await this.#installation.close();
    await this.#timeline.close();
    await this.#patient.disk.unmount();
    if (failure === undefined && !this.#isKept)
      rmSync(this.#directory, { recursive: true, force: true });
    return { failure, summary: this.#tally.lines(sessionCount), directory: this.#directory };
  }

  #connect({ portal, targetName, name }: VolumeView): Initiator {
    const [host = '', port] = portal.split(':');
    const initiatorName = `iqn.2026-11.io.keelson:chaos.${name}`;
    const target = { host, port: Number(port), targetName, initiatorName };
    return new Initiator(target, (text) => this.#timeline.note(`initiator of ${name}: ${text}`));
  }

  async #heal(): Promise<void> {
    const startMs = performance.now();
    await this.#installation.whenHealthy({
      withinMs: HEALTHY_LIMIT_MS,
      signal: this.#verdict.signal,
    });
    this.#tally.healthyAfter(performance.now() - startMs);
    this.#timeline.note('every volume is healthy');
  }

  /** A write whose session was lost may still be on its way to a copy: hence the short patience. */
  async #compare(): Promise<void> {
    const volumes = await this.#installation.api.volumes();
    for (const volume of volumes) {
      const difference = { text: '' };
      await eventually(
        `the copies of ${volume.name} are the same`,
        () => {
          difference.text = this.#whyDifferent(volume) ?? '';
          return difference.text === '' ? true : undefined;
        },
        { withinMs: SAME_LIMIT_MS, everyMs: 500 },
      ).catch(() => this.fail(`volume ${volume.name}: ${difference.text}`));
    }
    this.#tally.compared();
  }

  #whyDifferent(volume: VolumeView): string | undefined {
    const [first, ...others] = volume.copies.map(({ node }) => node);
    const pathOf = (node = '') => dataFileOf(join(this.#directory, 'data'), volume, node);
    for (const node of others) {
      const at = firstDifference(pathOf(first), pathOf(node), volume.sizeBytes);
      if (at !== undefined) return `the copies on ${first} and ${node} differ at byte ${at}`;
    }
    return undefined;
  }
}

async function within<T>(limitMs: number, promise: Promise<T>, what: string): Promise<T> {
  const limit = new AbortController();
  const tooLate = pause(limitMs, undefined, { signal: limit.signal }).then((): never => {
    throw new Error(`${what}: expected within ${limitMs} ms, it did not happen`);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    limit.abort();
    tooLate.catch(() => undefined);
  }
}
