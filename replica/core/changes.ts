import { FLAG, OPCODE, STATUS, type Status } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { type Asker, askerOf, reply } from './answers.ts';
import type { ChangeHistory } from './change-history.ts';
import type { Durability } from './durability.ts';
import type { Journal } from './journal.ts';
import type { ConnectionId, ReplicaEffect, ReplicaEvent } from './step.ts';
import { isWhole, type WaitingFrames } from './waiting-frames.ts';

export interface ChangesParts {
  readonly history: ChangeHistory;
  readonly durability: Durability;
  readonly journal: Journal;
  readonly waiting: WaitingFrames;
  /** Of the copy's bytes; what it asks for comes first. */
  readonly beforeChange: (effects: ReplicaEffect[]) => void;
}

/** Carries out WRITE, TRIM and COMMIT, whose turn it is, and remembers what they changed. */
export class Changes {
  readonly #parts: ChangesParts;
  /** Of the record that is being carried out: how many of its changes are not yet. */
  #left = 0;
  /** Whoever asked for that by a COMMIT. */
  #asker: Asker | undefined;

  constructor(parts: ChangesParts) {
    this.#parts = parts;
  }

  carryOut(connection: ConnectionId, frame: Frame, effects: ReplicaEffect[]): void {
    const { waiting, journal } = this.#parts;
    if (isWhole(frame)) return this.#carryOutAsWhole(connection, frame, effects);
    if ((frame.flags & FLAG.STAGED) !== 0) {
      const isKept = waiting.stage(frame);
      effects.push(reply(connection, frame, isKept ? STATUS.OK : STATUS.NO_SPACE));
      return;
    }
    journal.noteChange(frame.offset, frame.length);
    this.#change(connection, frame, effects);
  }

  /** It is written down by now, durably. */
  #carryOutAsWhole(connection: ConnectionId, frame: Frame, effects: ReplicaEffect[]): void {
    const { waiting, journal } = this.#parts;
    const changes = waiting.takeChanges(frame);
    if (changes.length === 0) {
      effects.push(reply(connection, frame, STATUS.OK));
      return;
    }
    if (frame.opcode === OPCODE.COMMIT) this.#asker = askerOf(connection, frame);
    this.#left += changes.length;
    for (const change of changes) this.#change(connection, { ...change, seq: frame.seq }, effects);
    if (waiting.isRunOver) journal.beginCarryingOut();
  }

  #change(connection: ConnectionId, frame: Frame, effects: ReplicaEffect[]): void {
    const { history, durability, beforeChange } = this.#parts;
    durability.noteChange();
    history.recordChange(frame);
    beforeChange(effects);
    effects.push({ kind: frame.opcode === OPCODE.TRIM ? 'trim' : 'write', connection, frame });
  }

  /** What became of one change of a record, and by that of the record. */
  executed(
    { connection, frame, status }: Extract<ReplicaEvent, { kind: 'executed' }>,
    effects: ReplicaEffect[],
  ): 'more' | 'all' | 'failed' {
    const { durability, journal } = this.#parts;
    // Also for want of space, which had been taken: half of it may be there, so this copy must not
    // be served before its next process has carried it out again.
    const isDone = status === STATUS.OK;
    if ((frame.flags & FLAG.STAGED) === 0) {
      const isForced = isDone && (frame.flags & FLAG.FUA) !== 0;
      if (isForced) durability.flush(askerOf(connection, frame));
      else effects.push(reply(connection, frame, isDone ? STATUS.OK : STATUS.IO_FAILED));
    }
    this.#left -= 1;
    if (isDone && this.#left > 0) return 'more';
    if (isDone) effects.push({ kind: 'note', page: journal.carriedOut() });
    this.#answerCommit(isDone ? STATUS.OK : STATUS.IO_FAILED, effects);
    return isDone ? 'all' : 'failed';
  }

  #answerCommit(status: Status, effects: ReplicaEffect[]): void {
    const asker = this.#asker;
    this.#asker = undefined;
    if (asker !== undefined) effects.push(reply(asker.connection, asker.frame, status));
  }
}
