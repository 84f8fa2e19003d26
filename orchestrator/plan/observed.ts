import type { CopyStatus } from '../../controller/protocol/status.ts';
import type { ProcessState } from '../model/view.ts';
import type { ProcessSpec } from './processes.ts';

/** What is, as far as one volume is concerned. */
export interface Observed {
  readonly processes: readonly ObservedProcess[];
  /** All nodes of the installation. */
  readonly nodes: readonly ObservedNode[];
  /** What the controller says of its copies; undefined when it was not asked or does not answer. */
  readonly copies: readonly CopyStatus[] | undefined;
}

/** What the platform sees of a process; one that it has never seen is not listed. */
export interface ObservedProcess {
  readonly key: string;
  readonly role: ProcessSpec['role'];
  readonly state: ProcessState;
  /** Early exits in a row; see backoff.ts. */
  readonly quickExits: number;
  /** When it last exited; 0 if it never did. */
  readonly exitedAtMs: number;
  /** Since when it does not stay up; undefined while it does. */
  readonly failingSinceMs: number | undefined;
}

export interface ObservedNode {
  readonly name: string;
  /** Since when nothing can be started there; undefined while it can. */
  readonly down: { readonly sinceMs: number; readonly reason: string } | undefined;
  readonly isCordoned: boolean;
  /** Its copies are to move to other nodes. */
  readonly isDraining: boolean;
  /** Copies of all volumes that it holds. */
  readonly copyCount: number;
}
