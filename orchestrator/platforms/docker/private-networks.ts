import { KeelsonError } from '../../../replica/common/errors.ts';
import { planByHost, type SlotPlan } from '../../model/address-plan.ts';

/**
 * Who listens where on a Docker engine (ADR 0023). Every volume has a slot S and with it a private
 * network P.S.0/24, where P is the prefix of the installation:
 *
 *   P.S.1        the engine's host: where the volume's controller finds the registry
 *   P.S.2        the portal of the volume's controller
 *   P.S.(10+n)   the volume's replica on node n
 *   P.S.128 on   whatever else somebody puts into it
 */
export interface PrivateNetworks {
  readonly addresses: SlotPlan;
  subnet(slot: number): string;
  /** For those who come without an address: ours must be free when a container of ours is down. */
  range(slot: number): string;
  /** The host's own address in it. */
  gateway(slot: number): string;
}

export const DEFAULT_NETWORK_PREFIX = '10.213';

/** @param numberOf the number of a node, by its name */
export function privateNetworks(
  prefix: string,
  numberOf: (node: string) => number,
): PrivateNetworks {
  return {
    addresses: planByHost({
      controller: (slot) => `${prefix}.${slot}.2`,
      replica: (slot, node) => `${prefix}.${slot}.${10 + numberOf(node)}`,
    }),
    subnet: (slot) => `${prefix}.${slot}.0/24`,
    range: (slot) => `${prefix}.${slot}.128/25`,
    gateway: (slot) => `${prefix}.${slot}.1`,
  };
}

/** Two octets of a private range (RFC 1918), as `10.213`. Errors: INVALID_ARGUMENT. */
export function readNetworkPrefix(text: string): string {
  const octets = /^(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  const [first = 0, second = 0] = octets ?? [];
  const isPrivate =
    (first === 10 && second <= 255) ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168);
  if (isPrivate) return `${first}.${second}`;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `--network-prefix: expected the first two octets of a private network such as ${DEFAULT_NETWORK_PREFIX}, got ${text.slice(0, 40)}; see --help`,
  );
}
