import { setTimeout as pause } from 'node:timers/promises';
import type { VolumeView } from '../../../orchestrator/model/view.ts';
import type { VolumeName } from '../../../orchestrator/model/volume.ts';
import { BLOCK_BYTES } from '../../../replica/common/limits.ts';
import { Initiator } from '../../chaos/initiator/initiator.ts';
import type { Target } from '../../chaos/initiator/login.ts';
import { Tally } from '../../chaos/tally.ts';
import { Verdict } from '../../chaos/verdict.ts';
import { Workload } from '../../chaos/workload.ts';
import { eventually } from '../../support/child.ts';
import { SeededRandom } from '../../support/random.ts';
import type { DockerInstallation } from './docker-installation.ts';

export interface VerifiedVolumeOptions {
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
const INITIATOR = 'iqn.2026-11.io.keelson:docker';

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
  readonly #installation: DockerInstallation;
  readonly #verdict = new Verdict();
  readonly #initiator: Initiator;
  readonly #workload: Workload;
  readonly #sessions: string[] = [];

  private constructor(
    installation: DockerInstallation,
    view: VolumeView,
    { name, depth = DEPTH }: VerifiedVolumeOptions,
  ) {
    this.name = { namespace: 'default', name };
    this.view = view;
    this.#installation = installation;
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

  static async create(
    installation: DockerInstallation,
    options: VerifiedVolumeOptions,
  ): Promise<VerifiedVolume> {
    const { name, replicas = 2, mebibytes = MEBIBYTES } = options;
    const volume = { namespace: 'default', name };
    const labels = { 'keelson.io/replicas': String(replicas), ...options.labels };
    await installation.api.createVolume({ ...volume, size: `${mebibytes}Mi`, labels });
    const view = await installation.whenHealthy(volume);
    return new VerifiedVolume(installation, view, options);
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
    const view = await this.#installation.whenHealthy(this.name);
    const [first = '', ...others] = view.copies.map(({ node }) =>
      this.#installation.dataFileOf(view, node),
    );
    for (const other of others) await this.#expectSame(first, other);
  }

  async remove(): Promise<void> {
    await this.#initiator.stop();
    await this.#installation.api.deleteVolume(this.name, { isForced: true });
  }

  /** For a test that failed: neither its I/O nor its processes are to disturb the next one. */
  async abandon(): Promise<void> {
    this.#verdict.fail('abandoned');
    await this.remove().catch(() => undefined); // that may be what has failed
  }

  /** A write whose session was lost may still be on its way to a copy: hence the short patience. */
  async #expectSame(one: string, other: string): Promise<void> {
    let difference = '';
    await eventually(
      `${one} and ${other} are the same`,
      async () => {
        const compare = ['-c', 'cmp "$1" "$2" 2>&1 || true', 'sh', one, other];
        difference = await this.#installation.dockerd.inside('sh', compare);
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
