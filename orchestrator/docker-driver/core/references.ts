/**
 * Who uses a volume on this host, by the IDs that Docker mounts it with. Docker uses an ID more than
 * once at a time (`docker cp` mounts what a running container has mounted), so each has a count.
 *
 * It also sends a call again when the driver dies before it has answered. `unanswered` says that the
 * last call of this ID is counted but not answered yet: the same call once more is that one again.
 */
export interface Reference {
  readonly id: string;
  readonly count: number;
  readonly unanswered: 'mount' | 'unmount' | null;
}

export type References = readonly Reference[];

export function addReference(references: References, id: string): References {
  const known = references.find((reference) => reference.id === id);
  if (known?.unanswered === 'mount') return references;
  return replace(references, { id, count: (known?.count ?? 0) + 1, unanswered: 'mount' });
}

/** An ID that nobody has mounted with is no error: the call may have been answered to a dead engine. */
export function dropReference(references: References, id: string): References {
  const known = references.find((reference) => reference.id === id);
  if (known === undefined || known.unanswered === 'unmount') return references;
  return replace(references, { id, count: known.count - 1, unanswered: 'unmount' });
}

export function markAnswered(references: References, id: string): References {
  const known = references.find((reference) => reference.id === id);
  if (known === undefined || known.unanswered === null) return references;
  return replace(references, { ...known, unanswered: null });
}

/** How many uses there are. */
export function countReferences(references: References): number {
  return references.reduce((sum, { count }) => sum + count, 0);
}

function replace(references: References, changed: Reference): References {
  const others = references.filter(({ id }) => id !== changed.id);
  return changed.count === 0 ? others : [...others, changed];
}
