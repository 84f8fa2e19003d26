import type { FaultKind } from './fault-model.ts';
import { Faults } from './faults.ts';
import { Orchestrator } from './orchestrator.ts';
import { whyNotRecovered } from './recovery.ts';
import { makeSwarm, type Swarm } from './swarm.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

/** What one seed did, and whatever was wrong with it. */
export interface Report {
  readonly seed: number;
  readonly failures: readonly string[];
  /** 'lost': chance destroyed every good copy, so there was nothing left to recover. */
  readonly outcome: 'recovered' | 'lost' | 'failed';
  readonly simulatedMs: number;
  readonly operations: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** What was done to the cluster, for whoever looks into a failure. */
  readonly schedule: readonly string[];
}

export interface RunOptions {
  /** Gets everything that happens. */
  readonly onLine?: (line: string) => void;
  /** Instead of those that the seed would pick. */
  readonly kinds?: readonly FaultKind[] | undefined;
}

/** Longest time in which a volume without faults serves its first write. */
const START_MS = 3_000;

/** One run of everything: initiators, faults, recovery, checks. The same seed does the same again. */
export function runSeed(seed: number, { onLine, kinds }: RunOptions = {}): Report {
  const swarm = makeSwarm(seed, kinds);
  const world = new World({ seed, ...swarm });
  world.trace.listener = onLine;
  onLine?.(`seed ${seed}: ${JSON.stringify(swarm)}`);
  const faults = new Map<FaultKind, number>();
  const { failures, outcome } = guard(() => play(world, swarm, faults));
  return {
    ...{ seed, failures, outcome, faults },
    simulatedMs: world.scheduler.nowMs,
    operations: world.operations.count,
    schedule: world.trace.faults,
  };
}

type Verdict = Pick<Report, 'failures' | 'outcome'>;

/** An assertion of the product that fails is a failure of the seed, not of the simulator. */
function guard(play: () => Verdict): Verdict {
  try {
    return play();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { failures: [text], outcome: 'failed' };
  }
}

function play(world: World, swarm: Swarm, counts: Map<FaultKind, number>): Verdict {
  const { scheduler, checks, oracle } = world;
  const isBad = (): boolean => checks.violations.length > 0;
  const orchestrator = new Orchestrator(world, swarm.replaceAfterMs);
  const hasStarted = scheduler.runUntil(() => world.controllers[0]?.wasActive === true, START_MS);
  if (!hasStarted) return { failures: ['the volume never started'], outcome: 'failed' };
  const workload = new Workload(world, swarm.shape);
  const untilMs = scheduler.nowMs + swarm.chaosMs;
  const faults = new Faults(world, orchestrator, { ...swarm.faults, untilMs });
  scheduler.runUntil(isBad, swarm.chaosMs);
  workload.stop();
  for (const [kind, count] of faults.counts) counts.set(kind, count);
  if (isBad()) return { failures: checks.violations, outcome: 'failed' };
  faults.healAll();
  const recovery = whyNotRecovered({ world, orchestrator, faults });
  const failures = [
    ...checks.violations,
    ...oracle.allFaults(),
    ...(recovery.reason === undefined ? [] : [recovery.reason]),
  ];
  if (failures.length > 0) return { failures, outcome: 'failed' };
  return { failures, outcome: recovery.isLost ? 'lost' : 'recovered' };
}
