import { setTimeout as pause } from 'node:timers/promises';
import type { VolumeView } from '../../../orchestrator/model/view.ts';
import { LABELS } from '../../../orchestrator/platforms/docker/container-labels.ts';
import { eventually } from '../../support/child.ts';
import { VerifiedVolume, type VerifiedVolumeOptions } from '../../support/verified-volume.ts';
import type { DockerInstallation } from '../support/docker-installation.ts';
import type { StartLog } from '../support/start-log.ts';
import { SyncMeter } from './stopwatch.ts';

export interface Scenario {
  /** For --only. */
  readonly name: string;
  /** The test's. */
  readonly title: string;
  /** Part of npm test; the others only of npm run test:docker. */
  readonly isCore?: boolean;
  readonly volume?: Partial<VerifiedVolumeOptions>;
  /** How long a copy is waited for; by default for longer than any scenario takes. */
  readonly replaceAfterSeconds?: number;
  /** More than this is a defect, not a slow machine: ten times what is wanted. */
  readonly stallLimitMs: number;
  run(stage: Stage): Promise<void>;
}

/** What a scenario took, in ms, bytes and pieces. */
export interface Report {
  readonly name: string;
  /** The longest that one read, write or flush took, however often it was sent. */
  readonly longestStallMs: number;
  readonly stallOf: string;
  /** From the last thing that was done to all copies in sync; undefined when nothing was lost. */
  readonly healthyAfterMs: number | undefined;
  /** What the syncs compared and moved. */
  readonly syncedBytes: number;
  readonly ioErrors: number;
  /** Of its own. */
  readonly figures: Readonly<Record<string, number>>;
}

const HEALTHY_REPLACE_AFTER_SECONDS = 600;
const LOOK_EVERY_MS = 100;
const CALM_OPERATIONS = 100;
const CHANGE_LIMIT_MS = 60_000;
/** Of what the orchestrator said, for whom must find out why. */
const OUTPUT_LENGTH = 6_000;

/** One volume under I/O, and what a scenario does to it. */
export class Stage {
  readonly installation: DockerInstallation;
  readonly volume: VerifiedVolume;
  readonly figures: Record<string, number> = {};
  healthyAfterMs: number | undefined;
  #actedAtMs = performance.now();

  constructor(installation: DockerInstallation, volume: VerifiedVolume) {
    this.installation = installation;
    this.volume = volume;
  }

  view(): Promise<VolumeView> {
    return this.installation.api.volume(this.volume.name);
  }

  async generation(): Promise<number> {
    return (await this.view()).membership.generation;
  }

  /** The stopwatch of `recovers` starts here. */
  async act(what: () => Promise<unknown>): Promise<void> {
    this.#actedAtMs = performance.now();
    await what();
  }

  /**
   * Does it, and waits until all copies are in sync again, after a change of the in-sync set: no loss
   * goes unnoticed.
   */
  async recoversFrom(what: () => Promise<unknown>): Promise<void> {
    const before = await this.generation();
    await this.act(what);
    await this.recovers(before);
  }

  async recovers(afterGeneration: number): Promise<void> {
    await this.installation.whenHealthy(this.volume.name, afterGeneration);
    const tookMs = performance.now() - this.#actedAtMs;
    this.healthyAfterMs = Math.max(this.healthyAfterMs ?? 0, tookMs);
    await this.volume.whenBusy();
  }

  /** How long it takes until the orchestrator shows what is expected. */
  async until(what: string, is: (view: VolumeView) => boolean): Promise<VolumeView> {
    return eventually(
      what,
      async () => {
        const view = await this.view();
        return is(view) ? view : undefined;
      },
      { withinMs: CHANGE_LIMIT_MS, everyMs: 10 },
    );
  }

  async timed(figure: string, work: () => Promise<unknown>): Promise<void> {
    const startMs = performance.now();
    await work();
    this.figures[figure] = Math.round(performance.now() - startMs);
  }

  /** The orchestrator erases a directory on a node. */
  untilGone(directory: string): Promise<string> {
    const isGone = ['-c', '! test -e "$1"', 'sh', directory];
    return eventually(`${directory} is gone`, () => this.installation.dockerd.inside('sh', isGone));
  }

  container(id: string) {
    return this.installation.engine.getContainer(id);
  }

  async controller() {
    return this.container(await this.installation.controllerOf(this.volume.name));
  }

  async replica(node: string) {
    return this.container(await this.installation.replicaOf(this.volume.name, node));
  }

  /** The containers of this role in which something runs. */
  async running(role: 'controller' | 'replica'): Promise<string[]> {
    const found = await this.installation.containers(this.volume.name);
    return found
      .filter(({ State, Labels }) => State === 'running' && Labels[LABELS.role] === role)
      .map(({ Id }) => Id);
  }

  /** Of its copies; the first is the primary's. */
  async nodes(): Promise<string[]> {
    const { copies } = await this.view();
    const primaryFirst = copies.toSorted((a, b) => Number(b.isPrimary) - Number(a.isPrimary));
    return primaryFirst.map(({ node }) => node);
  }

  /** As long as a fault lasts. */
  lasts(ms: number): Promise<void> {
    return pause(ms);
  }
}

/** Runs it on a volume of its own; the installation is as before in the end. */
export async function play(
  scenario: Scenario,
  installation: DockerInstallation,
  starts: StartLog,
): Promise<Report> {
  const { name, replaceAfterSeconds = HEALTHY_REPLACE_AFTER_SECONDS } = scenario;
  await installation.waitAsLongAs(replaceAfterSeconds);
  const volume = await VerifiedVolume.create(installation, { name, ...scenario.volume });
  const meter = new SyncMeter(volume.view.portal);
  const lookout = lookAt(installation, starts);
  const stage = new Stage(installation, volume);
  try {
    if (scenario.volume?.isFilled === true) await volume.fill();
    volume.start();
    await volume.whenBusy();
    await scenario.run(stage);
    await volume.whenBusy(CALM_OPERATIONS);
    await volume.rest();
    await volume.checkCopies();
  } catch (cause) {
    await volume.abandon();
    throw new Error(`${name}: ${String(cause)}\n${installation.output.slice(-OUTPUT_LENGTH)}`, {
      cause,
    });
  } finally {
    await lookout.stop();
  }
  const syncedBytes = await meter.stop();
  await volume.remove();
  return {
    ...{
      name,
      longestStallMs: Math.round(volume.longestStallMs),
      stallOf: volume.tally.longestWhat,
    },
    healthyAfterMs: stage.healthyAfterMs && Math.round(stage.healthyAfterMs),
    ...{ syncedBytes, figures: stage.figures },
    ioErrors: [...volume.ioErrors.values()].reduce((sum, count) => sum + count, 0),
  };
}

/** Keeps in mind which copies there ever were. */
function lookAt(installation: DockerInstallation, starts: StartLog) {
  let isOver = false;
  const loop = (async () => {
    while (!isOver) {
      try {
        for (const view of await installation.api.volumes()) starts.learn(view);
      } catch {
        // no orchestrator runs at the moment
      }
      await pause(LOOK_EVERY_MS);
    }
  })();
  return {
    stop: () => {
      isOver = true;
      return loop;
    },
  };
}
