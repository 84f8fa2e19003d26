import type { ChapCredentials } from '../protocol/chap-credentials.ts';

/** Who may log in. */
export interface Access {
  /** iSCSI names, folded; empty: everybody. */
  readonly initiators: readonly string[];
  /** Null: nobody has to prove anything. Else it is asked of discovery sessions as well. */
  readonly chap: ChapCredentials | null;
}
