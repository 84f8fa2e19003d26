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
    isCordoned: registry.nodes.some(({ name, isCordoned }) => name === node.name && isCordoned),
  }));
}
