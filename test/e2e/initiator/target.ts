import { type Keelson, startKeelson } from '../../support/keelson.ts';
import { startTgt } from '../../support/tgt.ts';

/** What a failure scenario can do to a target; each step has a name for the report. */
export interface TargetUnderTest {
  readonly portalHost: string;
  readonly targetName: string;
  readonly steps: readonly Step[];
  stop(): Promise<void>;
}

export interface Step {
  readonly name: string;
  /** The portal is expected to go away, so its return is timed. */
  readonly hitsPortal: boolean;
  /** Looks at the target as it is now and says which process to kill. */
  choose(): Promise<number>;
  /** Does what this kind of target needs, if anything, and waits until it is whole again. */
  recover(): Promise<void>;
}

export const PORTAL_HOST = '127.0.1.1';

export async function startKeelsonTarget(): Promise<TargetUnderTest> {
  const keelson = await startKeelson();
  const [first, second] = keelson.replicas();
  if (first === undefined || second === undefined) throw new Error('expected three replicas');
  return {
    portalHost: PORTAL_HOST,
    targetName: keelson.targetName,
    steps: [
      killStep(keelson, 'kill -9 replica 1', (processes) => processes.replicas()[0]?.pid),
      {
        ...killStep(keelson, 'kill -9 controller', (processes) => processes.controller().pid),
        hitsPortal: true,
      },
      killStep(keelson, 'kill -9 replica 2', (processes) => processes.replicas()[1]?.pid),
    ],
    stop: keelson.stop,
  };
}

/** The harness proves itself on tgt, with the one thing that tgt survives. */
export async function startTgtTarget(): Promise<TargetUnderTest> {
  const tgt = await startTgt({ portal: `${PORTAL_HOST}:3260`, sizeBytes: 1024 ** 3 });
  return {
    portalHost: PORTAL_HOST,
    targetName: tgt.targetName,
    steps: [
      {
        name: 'kill -9 tgtd and restart',
        hitsPortal: true,
        choose: async () => tgt.pid,
        recover: tgt.restart,
      },
    ],
    stop: tgt.stop,
  };
}

function killStep(
  keelson: Keelson,
  name: string,
  choose: (keelson: Keelson) => number | undefined,
): Step {
  let generation = 0;
  return {
    name,
    hitsPortal: false,
    async choose() {
      generation = (await keelson.volume()).membership.generation;
      const pid = choose(keelson);
      if (pid === undefined) throw new Error(`${name}: no such process\n${keelson.output()}`);
      return pid;
    },
    recover: () => keelson.whenHealthy(generation),
  };
}
