import { assert } from '../../replica/common/assert.ts';
import { MAX_NODES } from './layout.ts';

/** What the orchestrator must remember of a node. */
export interface NodeRecord {
  readonly name: string;
  /** 1 to MAX_NODES: its place in the addresses of its replicas, for as long as it is a node. */
  readonly number: number;
  /** No new copies go there; those that it has stay. */
  readonly isCordoned: boolean;
  /** Its copies move to other nodes; it is cordoned as well. */
  readonly isDraining: boolean;
  /** Its directory was made, with the marker in it: from then on one without it is not this node's. */
  readonly isPrepared: boolean;
}

/** Which nodes take copies, and keep them. */
export type NodeUse = Pick<NodeRecord, 'isCordoned' | 'isDraining'>;

/**
 * The nodes of an installation, in the order given; those that it had are kept as they are, new ones
 * get the lowest numbers that are free.
 *
 * @param names different ones, at most MAX_NODES
 */
export function nameNodes(nodes: readonly NodeRecord[], names: readonly string[]): NodeRecord[] {
  const kept = nodes.filter(({ name }) => names.includes(name));
  const taken = new Set(kept.map(({ number }) => number));
  return names.map((name) => {
    const known = kept.find((node) => node.name === name);
    if (known !== undefined) return known;
    let number = 1;
    while (taken.has(number)) number += 1;
    assert(number <= MAX_NODES, 'an installation has at most MAX_NODES nodes', { name });
    taken.add(number);
    return { name, number, isCordoned: false, isDraining: false, isPrepared: false };
  });
}
