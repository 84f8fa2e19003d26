import { setTimeout as pause } from 'node:timers/promises';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import type { VolumeName } from '../../orchestrator/model/volume.ts';
import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';
import type { Target } from '../chaos/initiator/login.ts';
import { Tally } from '../chaos/tally.ts';
import { Verdict } from '../chaos/verdict.ts';
import { Workload } from '../chaos/workload.ts';
import { eventually } from './child.ts';
import { SeededRandom } from './random.ts';

/** Who makes volumes, and gets at their copies. */
export interface VolumeHost {
  createVolume(name: VolumeName, wish: VolumeWish): Promise<unknown>;
  deleteVolume(name: VolumeName): Promise<void>;
  /** All of its copies in sync and connected. */
  whenHealthy(name: VolumeName): Promise<VolumeView>;
  /** Where two copies of it differ, byte by byte, in words; empty where they do not. */
  differenceOf(view: VolumeView, node: string, otherNode: string): Promise<string>;
}

export interface VolumeWish {
  readonly size: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface VerifiedVolumeOptions {
  readonly namespace?: string;
  readonly name: string;
  readonly replicas?: number;
  readonly mebibytes?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Every block was written, so that a sync of all of it has as much to move. */
  readonly isFilled?: boolean;
  readonly depth?: number;
}

/** Light enough that two cores have time for the recovery. */
const DEPTH = 4;
const MEBIBYTES = 64;
const ANSWER_LIMIT_MS = 60_000;
const SAME_LIMIT_MS = 15_000;
/** Of the initiator's name: each volume has its own. */
const INITIATOR = 'iqn.2026-11.io.keelson:verified';

/**
 * Refusals that no application ever sees: its kernel sends the command again (SAM-5 5.3.1, SPC-4
 * table 56).
 */
const UNSEEN = /^(BUSY|TASK SET FULL|TASK ABORTED|UNIT ATTENTION)/;

/** A volume under verified I/O: every read must be one that a single disk could have given. */
export class VerifiedVolume {
  readonly name: VolumeName;
  readonly view: VolumeView;
  readonly tally = new Tally();
  readonly #host: VolumeHost;
  readonly #verdict = new Verdict();
  readonly #initiator: Initiator;
  readonly #workload: Workload;
  readonly #sessions: string[] = [];

  private constructor(
    host: VolumeHost,
    view: VolumeView,
    { name, namespace = 'default', depth = DEPTH }: VerifiedVolumeOptions,
  ) {
    this.name = { namespace, name };
    this.view = view;
    this.#host = host;
    const initiatorName = `${INITIATOR}.${name}`;
    this.#initiator = new Initiator({ ...targetOf(view), initiatorName }, (text) =>
      this.#sessions.push(`${Math.round(performance.now())} ${text}`),
    );
    this.#workload = new Workload({
      ...{ name, depth, volume: 1, initiator: this.#initiator },
      ...{ tally: this.tally, verdict: this.#verdict },
      blockCount: view.sizeBytes / BLOCK_BYTES,
      random: new SeededRandom(Number.parseInt(view.id.slice(0, 6), 16)),
    });
  }

  static async create(host: VolumeHost, options: VerifiedVolumeOptions): Promise<VerifiedVolume> {
    const { name, namespace = 'default', replicas = 2, mebibytes = MEBIBYTES } = options;
    const volume = { namespace, name };
    const labels = { 'keelson.io/replicas': String(replicas), ...options.labels };
    await host.createVolume(volume, { size: `${mebibytes}Mi`, labels });
    const view = await host.whenHealthy(volume);
    return new VerifiedVolume(host, view, options);
  }

  /** One that is there already and holds nothing. */
  static async adopt(host: VolumeHost, options: VerifiedVolumeOptions): Promise<VerifiedVolume> {
    const { name, namespace = 'default' } = options;
    return new VerifiedVolume(host, await host.whenHealthy({ namespace, name }), options);
  }

  /** With a name of its own, so that it is in nobody's way. */
  get target(): Target {
    return { ...targetOf(this.view), initiatorName: `${INITIATOR}.probe` };
  }

  get longestStallMs(): number {
    return this.tally.longestMs;
  }

  /** What an application would have seen as failed, and why. */
  get ioErrors(): ReadonlyMap<string, number> {
    return new Map([...this.tally.refusals].filter(([reason]) => !UNSEEN.test(reason)));
  }

  /** Writes every block once, so that a sync of all has as much to move. */
  async fill(): Promise<void> {
    await this.#workload.fill();
    this.#check();
  }

  start(): void {
    this.#workload.start();
  }

  /** Some more I/O was answered. */
  async whenBusy(count = 50): Promise<void> {
    const from = this.tally.doneCount;
    await eventually(
      'the volume answers I/O',
      () => this.tally.doneCount >= from + count || undefined,
      {
        ...{ withinMs: ANSWER_LIMIT_MS, everyMs: 10 },
      },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.#sessions.join('\n')}`, { cause: error });
    });
    this.#check();
  }

  /** Resolves when the last command is answered. */
  async rest(): Promise<void> {
    const late = pause(ANSWER_LIMIT_MS, undefined, { ref: false }).then((): never => {
      throw new Error(`expected every command to be answered\n${this.#sessions.join('\n')}`);
    });
    await Promise.race([this.#workload.pause(), late]);
    late.catch(() => undefined);
    this.#check();
  }

  /** Reads all of it, then compares all copies byte by byte. Only at rest, and healthy. */
  async checkCopies(): Promise<void> {
    await this.#workload.verify();
    this.#check();
    const view = await this.#host.whenHealthy(this.name);
    const [first = '', ...others] = view.copies.map(({ node }) => node);
    for (const other of others) await this.#expectSame(view, first, other);
  }

  /** Logs out; the volume stays. */
  async end(): Promise<void> {
    await this.#initiator.stop();
  }

  async remove(): Promise<void> {
    await this.end();
    await this.#host.deleteVolume(this.name);
  }

  /** For a test that failed: neither its I/O nor its processes are to disturb the next one. */
  async abandon(): Promise<void> {
    this.#verdict.fail('abandoned');
    await this.remove().catch(() => undefined); // that may be what has failed
  }

  /** A write whose session was lost may still be on its way to a copy: hence the short patience. */
  async #expectSame(view: VolumeView, one: string, other: string): Promise<void> {
    let difference = '';
    await eventually(
      `the copies on ${one} and ${other} are the same`,
      async () => {
        difference = await this.#host.differenceOf(view, one, other);
        return difference === '' ? true : undefined;
      },
      { withinMs: SAME_LIMIT_MS, everyMs: 500 },
    ).catch((cause: unknown) => {
      throw new Error(`expected copies that are the same, got: ${difference}`, { cause });
    });
  }

  #check(): void {
    if (this.#verdict.reason !== undefined) throw new Error(this.#verdict.reason);
  }
}

function targetOf({ portal, targetName }: VolumeView): Omit<Target, 'initiatorName'> {
  const [host = '', port] = portal.split(':');
  return { host, port: Number(port), targetName };
}
