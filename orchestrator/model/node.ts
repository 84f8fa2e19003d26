import { assert } from '../../replica/common/assert.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { readBoolean, readObject } from '../../replica/common/validate.ts';
import { MAX_NODES } from './layout.ts';
import { refuseUnknownFields } from './volume.ts';

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

/** Reads the body of a change. Errors: INVALID_ARGUMENT, naming the field. */
export function decodeNodeChange(value: unknown): Partial<NodeUse> {
  const fields = readObject(value, 'node');
  refuseUnknownFields(fields, ['isCordoned', 'isDraining']);
  if (Object.keys(fields).length === 0) {
    throw new KeelsonError('INVALID_ARGUMENT', 'node: expected isCordoned or isDraining');
  }
  const change: Partial<NodeUse> = {
    ...(fields.isCordoned === undefined ? {} : { isCordoned: readBoolean(fields, 'isCordoned') }),
    ...(fields.isDraining === undefined ? {} : { isDraining: readBoolean(fields, 'isDraining') }),
  };
  if (change.isDraining === true && change.isCordoned === false) {
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      'isCordoned: expected true, as a node that is drained takes no new copies, got false',
    );
  }
  return change;
}

/** Draining cordons a node, and lets it so when it ends; uncordoning ends draining. */
export function nextUse(use: NodeUse, { isCordoned, isDraining }: Partial<NodeUse>): NodeUse {
  if (isCordoned === false) return { isCordoned: false, isDraining: false };
  if (isDraining === true) return { isCordoned: true, isDraining: true };
  return {
    isCordoned: isCordoned ?? use.isCordoned,
    isDraining: isDraining ?? use.isDraining,
  };
}
