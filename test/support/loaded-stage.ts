import { setTimeout as pause } from 'node:timers/promises';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import type { VolumeName } from '../../orchestrator/model/volume.ts';
import { eventually } from './child.ts';
import type { Report } from './report.ts';
import { SyncMeter } from './stopwatch.ts';
import type { VerifiedVolume } from './verified-volume.ts';

/** What a scenario sees of the installation, whatever it runs on. */
export interface StageHost {
  readonly api: { volume(name: VolumeName): Promise<VolumeView> };
  whenHealthy(name: VolumeName, afterGeneration?: number): Promise<VolumeView>;
}

interface Play {
  readonly name: string;
  readonly isFilled: boolean;
  run(): Promise<void>;
}

const CALM_OPERATIONS = 100;
const CHANGE_LIMIT_MS = 60_000;

/** One volume under verified I/O, with a stopwatch for what is done to it. */
export class LoadedStage {
  readonly volume: VerifiedVolume;
  readonly figures: Record<string, number> = {};
  healthyAfterMs: number | undefined;
  readonly #host: StageHost;
  #actedAtMs = performance.now();

  constructor(host: StageHost, volume: VerifiedVolume) {
    this.#host = host;
    this.volume = volume;
  }

  /** I/O before, while and after it runs; then all copies are the same. The volume is removed. */
  async play({ name, isFilled, run }: Play): Promise<Report> {
    const { volume } = this;
    const meter = new SyncMeter(volume.view.portal);
    try {
      if (isFilled) await volume.fill();
      volume.start();
      await volume.whenBusy();
      await run();
      await volume.whenBusy(CALM_OPERATIONS);
      await volume.rest();
      await volume.checkCopies();
    } catch (error) {
      await volume.abandon();
      await meter.stop();
      throw error;
    }
    const syncedBytes = await meter.stop();
    await volume.remove();
    return {
      ...{ name, syncedBytes, figures: this.figures },
      longestStallMs: Math.round(volume.longestStallMs),
      stallOf: volume.tally.longestWhat,
      healthyAfterMs: this.healthyAfterMs && Math.round(this.healthyAfterMs),
      ioErrors: [...volume.ioErrors.values()].reduce((sum, count) => sum + count, 0),
    };
  }

  view(): Promise<VolumeView> {
    return this.#host.api.volume(this.volume.name);
  }

  async generation(): Promise<number> {
    return (await this.view()).membership.generation;
  }

  /** Of its copies; the first is the primary's. */
  async nodes(): Promise<string[]> {
    const { copies } = await this.view();
    const primaryFirst = copies.toSorted((a, b) => Number(b.isPrimary) - Number(a.isPrimary));
    return primaryFirst.map(({ node }) => node);
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
    await this.#host.whenHealthy(this.volume.name, afterGeneration);
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

  /** As long as a fault lasts. */
  lasts(ms: number): Promise<void> {
    return pause(ms);
  }
}
