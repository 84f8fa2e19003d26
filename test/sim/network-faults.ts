import type { FaultTools } from './fault-tools.ts';
import { breakConnection, NORMAL_DELAYS, type Route } from './network.ts';
import { REGISTRY_HOST } from './registry.ts';

export type NetworkFault =
  | 'break-connection'
  | 'cut-route'
  | 'cut-node'
  | 'cut-registry'
  | 'partition'
  | 'slow-network'
  | 'lose-registry-messages'
  | 'slow-registry';

/** A partition outlasts the wait of a start and any lease, or nothing comes of it. */
const PARTITION_MS = { min: 300, max: 1_500 };

/** Returns false when there is nothing to do it to. */
export function disturbNetwork(kind: NetworkFault, tools: FaultTools): boolean {
  const { world, random } = tools;
  const { network, nodes, controllers } = world;
  const controller = tools.pickController()?.instanceId;
  const node = random.pick(nodes).name;
  switch (kind) {
    case 'break-connection':
      return breakOne(tools);
    case 'cut-route':
      if (controller !== undefined) cut(controller, [node], tools);
      return controller !== undefined;
    case 'cut-node':
      cut(node, namesOf(controllers), tools);
      return true;
    case 'cut-registry':
      if (controller === undefined) return false;
      cut(controller, [REGISTRY_HOST], tools);
      if (random.chance(0.3)) tools.orchestrator.forgetController();
      return true;
    case 'partition':
      if (controller !== undefined) partition(controller, tools);
      return controller !== undefined;
    case 'slow-network':
      network.delays = { minMs: 0.1, maxMs: random.pick([10, 30]) };
      tools.mendLater('the network is slow', () => {
        network.delays = NORMAL_DELAYS;
      });
      return true;
    case 'slow-registry':
    case 'lose-registry-messages':
      disturbRegistry(kind, tools);
      return true;
  }
}

function breakOne({ world, random }: FaultTools): boolean {
  const connections = [...world.network.connections];
  if (connections.length === 0) return false;
  const connection = random.pick(connections);
  const { controller, replica } = connection.hosts;
  world.trace.fault(`the connection of ${controller} to ${replica} breaks`);
  breakConnection(connection);
  return true;
}

function disturbRegistry(
  kind: 'slow-registry' | 'lose-registry-messages',
  tools: FaultTools,
): void {
  const { registry } = tools.world;
  if (kind === 'slow-registry') {
    registry.slowMs = tools.random.pick([20, 100]);
    tools.mendLater('the registry is slow', () => {
      registry.slowMs = 0;
    });
  } else {
    registry.lossRate = 0.6;
    tools.mendLater('the registry loses messages', () => {
      registry.lossRate = 0;
    });
  }
}

/** One way or both. */
function cut(host: string, others: readonly string[], tools: FaultTools): void {
  const { network, scheduler } = tools.world;
  const way = tools.random.pick(['to', 'from', 'both'] as const);
  const routes = others.flatMap((other) => [
    ...(way === 'from' ? [] : [network.route(host, other)]),
    ...(way === 'to' ? [] : [network.route(other, host)]),
  ]);
  for (const route of routes) route.cut();
  tools.mendLater(`${host} is cut off (${way}) ${others.join(' ')}`, () => {
    for (const route of routes) route.heal();
  });
  if (!tools.random.chance(0.3)) return;
  // One end has waited for long enough; the other does not hear of it before the cut is mended.
  scheduler.after(tools.random.between(0, PARTITION_MS.min), () => {
    for (const connection of network.connections) {
      const { controller, replica } = connection.hosts;
      if (![controller, replica].includes(host)) continue;
      if (others.includes(controller) || others.includes(replica)) breakConnection(connection);
    }
  });
}

/**
 * A controller and some nodes are on one side, everything else on the other, the controllers that are
 * yet to come included. Most orchestrators then start one of those.
 */
function partition(controller: string, { world, orchestrator, random }: FaultTools): void {
  const { network, scheduler, nodes, controllers } = world;
  const near = nodes.filter(() => random.chance(0.5)).map(({ name }) => name);
  const far = nodes.map(({ name }) => name).filter((name) => !near.includes(name));
  const others = namesOf(controllers).filter((name) => name !== controller);
  const coming = [1, 2].map((ahead) => `c${controllers.length + ahead}`);
  const routes: Route[] = [controller, ...near].flatMap((one) =>
    [REGISTRY_HOST, ...far, ...others, ...coming].flatMap((other) => [
      network.route(one, other),
      network.route(other, one),
    ]),
  );
  world.trace.fault(`${[controller, ...near].join(' ')} are cut off from everything else`);
  for (const route of routes) route.cut();
  if (random.chance(0.8)) orchestrator.forgetController();
  scheduler.after(random.between(PARTITION_MS.min, PARTITION_MS.max), () => {
    world.trace.fault(`${[controller, ...near].join(' ')} are back`);
    for (const route of routes) route.heal();
  });
}

function namesOf(controllers: readonly { readonly instanceId: string }[]): string[] {
  return controllers.map(({ instanceId }) => instanceId);
}
