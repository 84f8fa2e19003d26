import { KeelsonError } from '../../replica/common/errors.ts';

/** There are too few nodes for the copies that are asked for. */
export class NoRoom extends KeelsonError {
  constructor(message: string) {
    super('FAILED_PRECONDITION', message);
    this.name = 'NoRoom';
  }
}

/** A node as a place for new copies. */
export interface NodeLoad {
  readonly name: string;
  /** Copies of all volumes that it holds. */
  readonly copyCount: number;
  /** Why no new copy may go there; undefined when it may. */
  readonly refusal?: string | undefined;
}

/**
 * Chooses a different node for each new copy of a volume (S8): those with the fewest copies, in the
 * given order among equals. Fewer than asked for when there are no more.
 *
 * @param taken nodes that hold a copy of this volume, or its remains
 * @param preferred comes first, if it may take one
 */
export function chooseNodes(
  count: number,
  nodes: readonly NodeLoad[],
  taken: ReadonlySet<string>,
  preferred?: string,
): string[] {
  const rank = ({ name }: NodeLoad) => (name === preferred ? 0 : 1);
  const usable = nodes.filter(({ name, refusal }) => refusal === undefined && !taken.has(name));
  // Stable: equal nodes stay in the order given.
  const sorted = usable.toSorted((a, b) => rank(a) - rank(b) || a.copyCount - b.copyCount);
  return sorted.slice(0, count).map(({ name }) => name);
}

/**
 * Refuses a number of replicas for which there are too few nodes (S4): those that hold a copy of the
 * volume, and those that may take one.
 *
 * @param by who wants that many, such as ` by rule default/three`
 *
 * Errors: NoRoom.
 */
export function checkRoom(
  replicas: number,
  nodes: readonly NodeLoad[],
  taken: ReadonlySet<string> = new Set(),
  by = '',
): void {
  const usable = nodes.filter(({ name, refusal }) => refusal === undefined || taken.has(name));
  if (usable.length > replicas) return;
  const refusals = nodes
    .filter((node) => !usable.includes(node))
    .map(({ name, refusal }) => `, ${name} ${refusal}`);
  throw new NoRoom(
    `place ${replicas + 1} copies (replicas=${replicas}${by}): limited by the number of nodes, ` +
      `expected at least ${replicas + 1}, got ${usable.length}${refusals.join('')}; ` +
      'ask for fewer replicas or add nodes',
  );
}

/** Why a node takes no new copies, as a fact about it. */
export function whyNoNewCopies(node: {
  readonly isCordoned: boolean;
  readonly isDown: boolean;
}): string | undefined {
  if (node.isDown) return 'is down';
  return node.isCordoned ? 'is cordoned' : undefined;
}
