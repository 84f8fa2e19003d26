import type { NodeUse } from '../model/node.ts';
import type { ObservedNode } from '../plan/observed.ts';
import type { Platform, PlatformNode } from '../platforms/platform.ts';
import type { Registry } from '../registry/registry.ts';

/** Every node, as the platform sees it now and as the registry has it. */
export function observeNodes(
  registry: Registry,
  platform: Platform,
): (PlatformNode & ObservedNode)[] {
  const copyCounts = registry.copyCounts();
  return platform.observeNodes().map((node) => ({
    ...node,
    copyCount: copyCounts.get(node.name) ?? 0,
    ...useOf(registry, node.name),
  }));
}

/** A node that the registry does not know takes nothing. */
function useOf({ nodes }: Registry, name: string): NodeUse {
  const node = nodes.find((candidate) => candidate.name === name);
  return { isCordoned: node?.isCordoned ?? true, isDraining: node?.isDraining ?? false };
}
