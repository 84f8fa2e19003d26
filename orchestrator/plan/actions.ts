import type { ProcessSpec } from './processes.ts';

export type Action =
  | { readonly kind: 'start'; readonly process: ProcessSpec }
  | { readonly kind: 'stop'; readonly key: string }
  /** Delete the directory of a copy that is out of the record, then forget the copy. */
  | { readonly kind: 'erase-copy'; readonly replicaId: string; readonly node: string }
  /** Delete the data of every copy, then forget the volume. */
  | { readonly kind: 'erase' }
  | CopyEdit;

/** A change of which copies a volume has. All edits of one plan are made at once, or none is. */
export type CopyEdit =
  | { readonly kind: 'add-copy'; readonly node: string }
  /** Out of the record; its process is stopped and its directory erased after that. */
  | { readonly kind: 'remove-copy'; readonly replicaId: string }
  /** These in-sync copies shall be struck off, and no others. */
  | { readonly kind: 'set-leaving'; readonly replicaIds: readonly string[] };

export function isCopyEdit(action: Action): action is CopyEdit {
  return (
    action.kind === 'add-copy' || action.kind === 'remove-copy' || action.kind === 'set-leaving'
  );
}

export interface Plan {
  readonly actions: readonly Action[];
  /** Plan again at this time, if nothing happens before. */
  readonly wakeAtMs?: number;
  /** What keeps the volume from what it should be, in plain words; told once. */
  readonly notes: readonly string[];
  /** The next plan needs to know what the controller says of its copies. */
  readonly needsStatus: boolean;
}
