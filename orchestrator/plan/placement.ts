import { KeelsonError } from '../../replica/common/errors.ts';

export interface NodeLoad {
  readonly node: string;
  /** Copies of all volumes that it holds. */
  readonly copyCount: number;
}

/**
 * Chooses a different node for each copy (S8): those with the fewest copies, in the given order
 * among equals.
 *
 * Errors: FAILED_PRECONDITION when there are fewer nodes than copies (S4).
 */
export function placeCopies(copyCount: number, nodes: readonly NodeLoad[]): string[] {
  if (copyCount > nodes.length) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `place ${copyCount} copies (replicas=${copyCount - 1}): limited by the number of nodes, ` +
        `expected at least ${copyCount}, got ${nodes.length}; ask for fewer replicas or add nodes`,
    );
  }
  // toSorted is stable, so equal nodes stay in the order given.
  return nodes
    .toSorted((a, b) => a.copyCount - b.copyCount)
    .slice(0, copyCount)
    .map(({ node }) => node);
}
