import type { Timing } from '../../controller/volume/timing.ts';

/** The waits of the data path, in the proportions of the real ones but a twentieth of them. */
export const SIM_TIMING: Timing = {
  holdMs: 500,
  heartbeatMs: 50,
  silenceMs: 150,
  operationMs: 400,
  gatherMs: 100,
  leaseMs: 250,
  registryRetryMs: 15,
};

/** The longest lease that a replica grants, and the one it assumes after it restarted. */
export const LONGEST_LEASE_MS = 300;

/** A registry that does not answer for this long is asked again. */
export const REGISTRY_ANSWER_MS = 60;
