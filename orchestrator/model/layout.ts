import { assert } from '../../replica/common/assert.ts';
import { MAX_COPIES } from '../../replica/common/limits.ts';
import type { VolumeName } from './volume.ts';

export const MAX_NODES = 32;

/** Of a new installation on one machine. */
export const DEFAULT_NODE_COUNT = 3;

/** A volume's slot is one octet of its addresses. */
export const MAX_SLOTS = 256;

assert(MAX_NODES >= MAX_COPIES, 'every volume fits on the largest installation');
assert(10 + MAX_NODES < 255, 'node addresses stay within one octet');

export function nodeName(nodeNumber: number): string {
  return `node${nodeNumber}`;
}

/** The names of an installation's nodes: node1 … */
export function nodeNames(nodeCount: number): string[] {
  return Array.from({ length: nodeCount }, (_, index) => nodeName(index + 1));
}

export function nodeNumberOf(name: string): number {
  const nodeNumber = Number(/^node(\d{1,2})$/.exec(name)?.[1]);
  assert(nodeNumber >= 1 && nodeNumber <= MAX_NODES, 'a node name is node1 … node32', { name });
  return nodeNumber;
}

/** The lowest slot that no volume has, or undefined when all are taken. */
export function freeSlot(taken: ReadonlySet<number>, slotLimit: number): number | undefined {
  for (let slot = 0; slot < slotLimit; slot += 1) if (!taken.has(slot)) return slot;
  return undefined;
}

/** One directory a copy; the id keeps a new volume of an old name apart from the old one's data. */
export function copyDirectoryName(volume: VolumeName & { readonly id: string }): string {
  return `${volume.namespace}.${volume.name}-${volume.id}`;
}
