import { planByHost } from './address-plan.ts';
import { nodeNumberOf } from './layout.ts';

/**
 * Who listens where in embedded mode. Every volume has a slot S and with it a loopback network of
 * its own:
 *
 *   127.S.1.1        the portal of the volume's controller
 *   127.S.0.(10+n)   the volume's replica on node n
 */
export const LOOPBACK_ADDRESSES = planByHost({
  controller: (slot) => `127.${slot}.1.1`,
  replica: (slot, node) => `127.${slot}.0.${10 + nodeNumberOf(node)}`,
});
