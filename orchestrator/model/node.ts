import { nodeNames } from './layout.ts';

/** What the orchestrator must remember of a node. */
export interface NodeRecord {
  readonly name: string;
  /** No new copies go there; those that it has stay. */
  readonly isCordoned: boolean;
  /** Its directory was made, with the marker in it: from then on one without it is not this node's. */
  readonly isPrepared: boolean;
}

/** The nodes of an installation of this size; those that it had are kept as they are. */
export function resizeNodes(nodes: readonly NodeRecord[], nodeCount: number): NodeRecord[] {
  return nodeNames(nodeCount).map(
    (name) =>
      nodes.find((node) => node.name === name) ?? { name, isCordoned: false, isPrepared: false },
  );
}
