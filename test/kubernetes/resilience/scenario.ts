import type { VolumeView } from '../../../orchestrator/model/view.ts';
import { eventually } from '../../support/child.ts';
import { LoadedStage } from '../../support/loaded-stage.ts';
import type { Report } from '../../support/report.ts';
import { VerifiedVolume, type VerifiedVolumeOptions } from '../../support/verified-volume.ts';
import { containerOf, type Installation, SYSTEM, type TestPod } from '../support/installation.ts';
import { kubectl } from '../support/kubectl.ts';
import type { Nodes } from '../support/nodes.ts';

export interface Scenario {
  /** For --only. */
  readonly name: string;
  /** The test's. */
  readonly title: string;
  /** Part of npm test; the others only of npm run test:kubernetes. */
  readonly isCore?: boolean;
  readonly volume?: Partial<VerifiedVolumeOptions>;
  /** What is wanted of the longest stall. */
  readonly target: string;
  run(stage: Stage): Promise<void>;
}

export const NAMESPACE = 't-res-volumes';

const MOVED_LIMIT_MS = 60_000;

/** One volume under I/O, and what a scenario does to it. */
export class Stage extends LoadedStage {
  readonly installation: Installation;

  constructor(installation: Installation, volume: VerifiedVolume) {
    super(installation, volume);
    this.installation = installation;
  }

  get machines(): Nodes {
    return this.installation.nodes;
  }

  controller(): Promise<TestPod> {
    return this.installation.controllerOf(this.volume.view);
  }

  replica(node: string): Promise<TestPod> {
    return this.installation.replicaOf(this.volume.view, node);
  }

  /** SIGKILL, as the kernel's when there is no memory. */
  killContainer(pod: TestPod): Promise<string> {
    return this.machines.killContainer(pod.spec.nodeName ?? '', containerOf(pod));
  }

  /** As `kubectl delete pod` does: it has its grace period. */
  deletePod({ metadata: { name } }: TestPod): Promise<string> {
    return kubectl('delete', 'pod', name, '-n', SYSTEM, '--wait=false');
  }

  /** A controller runs on another node than that one. */
  controllerLeaves(node: string): Promise<TestPod> {
    return eventually(
      `the controller runs elsewhere than on ${node}`,
      async () => {
        const pod = await this.controller();
        return pod.spec.nodeName === node ? undefined : pod;
      },
      { withinMs: MOVED_LIMIT_MS, everyMs: 100 },
    );
  }

  /** The first by name that has a copy and not the controller. */
  async otherNode(): Promise<string> {
    const { spec } = await this.controller();
    const found = (await this.nodes()).toSorted().find((node) => node !== spec.nodeName);
    if (found === undefined) throw new Error('expected a copy on another node than the controller');
    return found;
  }

  degraded(): Promise<VolumeView> {
    return this.until('degraded', ({ health }) => health === 'degraded');
  }
}

/** Runs it on a volume of its own; all nodes are back in the end, whatever came of it. */
export async function play(scenario: Scenario, installation: Installation): Promise<Report> {
  const { name, target } = scenario;
  const options = { namespace: NAMESPACE, name, ...scenario.volume };
  const volume = await VerifiedVolume.create(installation, options);
  const stage = new Stage(installation, volume);
  try {
    const isFilled = scenario.volume?.isFilled === true;
    const report = await stage.play({ name, isFilled, run: () => scenario.run(stage) });
    return { ...report, target };
  } catch (cause) {
    throw new Error(`${name}: ${String(cause)}\n${await describe(stage)}`, { cause });
  } finally {
    await installation.nodes.restore();
  }
}

/** For whom must find out why; whatever of it can still be had. */
async function describe({ volume }: Stage): Promise<string> {
  const { namespace, name } = volume.name;
  const questions = [
    ['get', 'nodes,pods', '-A', '-o', 'wide'],
    ['get', 'volumes.keelson.io', name, '-n', namespace, '-o', 'yaml'],
    ['get', 'events', '-n', namespace, '--sort-by=.lastTimestamp'],
    ['logs', '-n', SYSTEM, '-l', 'app.kubernetes.io/component=orchestrator', '--tail=60'],
  ];
  const answers = questions.map((words) => kubectl(...words).catch(String));
  return (await Promise.all(answers)).join('\n');
}
