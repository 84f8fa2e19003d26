import { KeelsonError } from '../../replica/common/errors.ts';
import type { EventLog } from '../events/event-log.ts';
import { explainChange } from '../model/explain.ts';
import type { NodeUse } from '../model/node.ts';
import type { NodeCopyView, NodeView } from '../model/view.ts';
import { addressOf } from '../model/volume.ts';
import type { Platform } from '../platforms/platform.ts';
import { observeNodes } from '../reconcile/observe-nodes.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { DownNodes, Registry } from '../registry/registry.ts';

export interface NodesOptions {
  readonly registry: Registry;
  readonly events: EventLog;
  readonly platform: Platform;
  readonly reconciler: Reconciler;
}

/** The nodes of the installation, as the API offers them. */
export class Nodes {
  readonly #options: NodesOptions;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  /** Those that nothing can be started on at the moment. */
  get down(): DownNodes {
    const down = this.#options.platform.observeNodes().filter((node) => node.down !== undefined);
    return new Set(down.map(({ name }) => name));
  }

  views(): NodeView[] {
    const { registry, platform } = this.#options;
    const known = new Set(registry.nodes.map(({ name }) => name));
    // The platform may look after a node that was removed until its next start.
    return observeNodes(registry, platform)
      .filter(({ name }) => known.has(name))
      .map(({ name, address, directory, copyCount, isCordoned, isDraining, down }) => ({
        ...{ name, address, directory, copyCount },
        copies: this.#copiesOn(name),
        ...{ isCordoned, isDraining },
        downReason: down?.reason ?? null,
      }));
  }

  /** Errors: NOT_FOUND. */
  view(name: string): NodeView {
    const view = this.views().find((node) => node.name === name);
    if (view !== undefined) return view;
    throw new KeelsonError('NOT_FOUND', `node ${name.slice(0, 80)} does not exist`);
  }

  /**
   * Keeps new copies off a node, moves its copies elsewhere, or ends that.
   *
   * Errors: NOT_FOUND; FAILED_PRECONDITION when its copies would have nowhere to go.
   */
  async change(name: string, change: Partial<NodeUse>): Promise<NodeView> {
    const { registry, reconciler } = this.#options;
    await registry.useNode(name, change, this.down);
    reconciler.addAll(); // a volume may have waited for a node, or has a copy to move
    return this.view(name);
  }

  /**
   * Forgets a node. Forced, its copies that are not in-sync count as lost, and their directories are
   * left behind.
   *
   * Errors: NOT_FOUND; FAILED_PRECONDITION while it holds copies.
   */
  async remove(name: string, options: { isForced: boolean }): Promise<void> {
    const { registry, events, reconciler } = this.#options;
    for (const { before, after } of await registry.removeNode(name, options)) {
      const intent = { wanted: after.spec.replicas + 1, leaving: [] };
      for (const message of explainChange(before.membership, after.membership, intent)) {
        events.add(addressOf(after.spec), message);
      }
    }
    reconciler.addAll(); // a plan may have counted on it
  }

  #copiesOn(node: string): NodeCopyView[] {
    return this.#options.registry.list().flatMap(({ spec, membership }) =>
      Object.entries(membership.copies)
        .filter(([, copy]) => copy.node === node)
        .map(([replicaId, { state }]) => ({ volume: addressOf(spec), replicaId, state })),
    );
  }
}
