import type { HostConfig } from 'dockerode';
import { assert } from '../../../replica/common/assert.ts';
import {
  CONTROLLER_ADMIN_PORT,
  ISCSI_PORT,
  REPLICATION_PORT,
} from '../../../replica/common/limits.ts';
import type { Endpoint, SlotPlan } from '../../model/address-plan.ts';
import { MAX_NODES, MAX_SLOTS } from '../../model/layout.ts';
import type { ProcessSpec } from '../../plan/processes.ts';

/**
 * Several engines: private networks end at their host, so every process is reached at the address of
 * its node, by a port of its own (ADR 0023). S is the volume's slot, n the node's number:
 *
 *   13260 + S            the portal of the volume's controller
 *   13600 + S            the pages of the volume's controller
 *   24000 + 32 S + n-1   the volume's replica on node n
 */
export interface PublishedAddresses {
  readonly addresses: SlotPlan;
  /** Of a controller on this node. */
  portalOn(slot: number, node: string): Endpoint;
  /** Which ports of its node lead to a process. */
  bindings(spec: ProcessSpec, node: string): NonNullable<HostConfig['PortBindings']>;
}

const PORTAL_BASE = 13_260;
const ADMIN_BASE = 13_600;
const REPLICA_BASE = 24_000;
/** From here on the kernel gives ports to whoever connects. */
const FIRST_EPHEMERAL_PORT = 32_768;

assert(PORTAL_BASE + MAX_SLOTS <= ADMIN_BASE, 'portals and pages have ports of their own');
assert(ADMIN_BASE + MAX_SLOTS <= REPLICA_BASE, 'pages and replicas have ports of their own');
assert(REPLICA_BASE + MAX_SLOTS * MAX_NODES <= FIRST_EPHEMERAL_PORT, 'no port is anybody else’s');

export function publishedAddresses(options: {
  /** An IP address of each node that all the others reach. */
  readonly addressOf: (node: string) => string;
  readonly numberOf: (node: string) => number;
  /** Where the controller of a volume is, or was last. */
  readonly controllerNode: (slot: number) => string;
}): PublishedAddresses {
  const { addressOf, numberOf, controllerNode } = options;
  const portalOn = (slot: number, node: string): Endpoint => ({
    host: addressOf(node),
    port: PORTAL_BASE + slot,
  });
  const adminOn = (slot: number, node: string): Endpoint => ({
    host: addressOf(node),
    port: ADMIN_BASE + slot,
  });
  const addresses: SlotPlan = {
    portal: ({ slot }) => portalOn(slot, controllerNode(slot)),
    controllerAdmin: ({ slot }) => adminOn(slot, controllerNode(slot)),
    replica: ({ slot }, { node }) => ({
      host: addressOf(node),
      port: REPLICA_BASE + slot * MAX_NODES + numberOf(node) - 1,
    }),
  };
  return {
    addresses,
    portalOn,
    bindings(spec, node) {
      if (spec.role === 'replica') {
        return { [`${REPLICATION_PORT}/tcp`]: [bindTo(addresses.replica(spec, { node }))] };
      }
      return {
        [`${ISCSI_PORT}/tcp`]: [bindTo(portalOn(spec.slot, node))],
        [`${CONTROLLER_ADMIN_PORT}/tcp`]: [bindTo(adminOn(spec.slot, node))],
      };
    },
  };
}

function bindTo({ host, port }: Endpoint): { HostIp: string; HostPort: string } {
  return { HostIp: host, HostPort: String(port) };
}
