import { setTimeout as pause } from 'node:timers/promises';
import {
  type ContainerRole,
  LABELS,
} from '../../../orchestrator/platforms/docker/container-labels.ts';
import { eventually } from '../../support/child.ts';
import { LoadedStage } from '../../support/loaded-stage.ts';
import type { Report } from '../../support/report.ts';
import { VerifiedVolume, type VerifiedVolumeOptions } from '../../support/verified-volume.ts';
import type { DockerInstallation } from '../support/docker-installation.ts';
import type { StartLog } from '../support/start-log.ts';

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

const HEALTHY_REPLACE_AFTER_SECONDS = 600;
const LOOK_EVERY_MS = 100;
/** Of what the orchestrator said, for whom must find out why. */
const OUTPUT_LENGTH = 6_000;

/** One volume under I/O, and what a scenario does to it. */
export class Stage extends LoadedStage {
  readonly installation: DockerInstallation;

  constructor(installation: DockerInstallation, volume: VerifiedVolume) {
    super(installation, volume);
    this.installation = installation;
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

  /** What has the address of its controllers. */
  async holder() {
    return this.container(await this.installation.holderOf(this.volume.name));
  }

  async replica(node: string) {
    return this.container(await this.installation.replicaOf(this.volume.name, node));
  }

  /** The containers of this role in which something runs. */
  async running(role: ContainerRole): Promise<string[]> {
    const found = await this.installation.containers(this.volume.name);
    return found
      .filter(({ State, Labels }) => State === 'running' && Labels[LABELS.role] === role)
      .map(({ Id }) => Id);
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
  const lookout = lookAt(installation, starts);
  const stage = new Stage(installation, volume);
  try {
    return await stage.play({
      name,
      isFilled: scenario.volume?.isFilled === true,
      run: () => scenario.run(stage),
    });
  } catch (cause) {
    throw new Error(`${name}: ${String(cause)}\n${installation.output.slice(-OUTPUT_LENGTH)}`, {
      cause,
    });
  } finally {
    await lookout.stop();
  }
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
