import { FAILURE_MODES, type FailureMode } from '../../controller/protocol/registration.ts';
import type { Timing } from '../../controller/volume/timing.ts';
import { BLOCK_BYTES, EXTENT_BYTES, REGION_BYTES } from '../../replica/common/limits.ts';
import { SeededRandom } from '../support/random.ts';
import { FAULT_KINDS, type FaultKind } from './fault-model.ts';
import type { ProcessOptions } from './process.ts';
import { SIM_TIMING } from './timing.ts';
import type { Shape } from './workload.ts';
import { BLOCK_COUNT } from './world.ts';

/** Everything in which one seed differs from another. */
export interface Swarm {
  readonly replicas: number;
  readonly nodeCount: number;
  readonly failureMode: FailureMode;
  readonly failureTolerance: number;
  readonly process: ProcessOptions;
  readonly timing: Timing;
  readonly replaceAfterMs: number;
  readonly chaosMs: number;
  readonly faults: {
    readonly kinds: readonly FaultKind[];
    readonly pauseMs: number;
    readonly lastsMs: number;
  };
  readonly shape: Shape;
}

const BLOCKS_PER_REGION = REGION_BYTES / BLOCK_BYTES;
const BLOCKS_PER_EXTENT = EXTENT_BYTES / BLOCK_BYTES;

/** Where things meet: regions, extents, pieces of a sync, the end of the volume. */
const BORDERS = [
  0,
  BLOCKS_PER_REGION - 2,
  4 * BLOCKS_PER_REGION - 2,
  BLOCKS_PER_EXTENT - 2,
  BLOCKS_PER_EXTENT + 16 * BLOCKS_PER_REGION - 2,
  2 * BLOCKS_PER_EXTENT - 2,
  2 * BLOCKS_PER_EXTENT + BLOCKS_PER_REGION - 2,
];
/** How much of each place is used: one block, some, more than a region. */
const SPOT_BLOCKS = [1, 4, 4, 6, 40];

/**
 * Swarm testing (Groce and others, ISSTA 2012): a seed that uses only some of the faults, with rates
 * of its own, gets to places where one that always uses all of them never gets.
 */
export function makeSwarm(seed: number, kinds?: readonly FaultKind[]): Swarm {
  // Not the world's generator, so that a change here does not shift everything that happens there.
  const random = new SeededRandom(seed ^ 0x5eed);
  const replicas = random.pick([0, 1, 1, 1, 1, 2, 2, 2, 3, 5]);
  return {
    replicas,
    nodeCount: replicas + 1 + random.below(3),
    failureMode: random.pick(FAILURE_MODES),
    failureTolerance: random.below(Math.min(replicas + 1, 5)),
    process: { hasDrift: random.chance(0.7), busyRate: random.pick([0, 0.02, 0.2]) },
    // A short wait brings a start closer to the end of what its predecessor may do.
    timing: { ...SIM_TIMING, gatherMs: random.pick([20, SIM_TIMING.gatherMs]) },
    replaceAfterMs: random.pick([100, 400, 3_000]),
    chaosMs: random.pick([600, 1_200, 2_000]),
    faults: {
      kinds: kinds ?? pickKinds(random),
      pauseMs: random.pick([20, 60, 150]),
      lastsMs: random.pick([60, 300, 1_000]),
    },
    shape: makeShape(random),
  };
}

/** None at all now and then: whatever fails then is not about faults. */
function pickKinds(random: SeededRandom): FaultKind[] {
  const share = random.pick([0, 0.1, 0.25, 0.25, 0.5, 1]);
  return FAULT_KINDS.filter(() => random.chance(share));
}

function makeShape(random: SeededRandom): Shape {
  const spotBlocks = random.pick(SPOT_BLOCKS);
  const spots = BORDERS.filter(() => random.chance(0.4));
  const hot = random.pick(BORDERS);
  return {
    clientCount: random.pick([1, 2, 4, 8]),
    reads: random.pick([0.2, 0.5, 0.8]),
    flushes: random.pick([0, 0.02, 0.05, 0.2]),
    trims: random.pick([0, 0, 0.05]),
    fua: random.pick([0, 0.1, 0.5]),
    atomics: random.pick([0, 0.3, 0.8]),
    cancels: random.pick([0, 0.03]),
    attributes: random.pick([0, 0, 0.05, 0.2]),
    maxBlocks: random.pick([1, 2, 6, 40]),
    spots: [hot, ...spots].map((spot) => Math.min(spot, BLOCK_COUNT - spotBlocks)),
    spotBlocks,
    isSequential: random.chance(0.3),
    thinkMs: random.pick([2, 10, 50]),
    patienceMs: random.pick([150, 800]),
    quietMs: random.pick([0, 0, 400]),
  };
}
