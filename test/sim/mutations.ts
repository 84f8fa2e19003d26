import type { Patch } from './patch.ts';

/** A deliberate bug: what the simulator must find, or it would not find an accidental one either. */
export interface Mutation {
  readonly name: string;
  /** Which promise it breaks. */
  readonly why: string;
  readonly patches: readonly Patch[];
}

/** Faults without which a bug hardly ever shows: they are in every seed that looks for it. */
export const FAULTS_FOR: Readonly<Record<string, readonly string[]>> = {
  'read-without-lease': ['partition', 'cut-registry'],
  'serve-beside-lease': ['partition', 'cut-registry'],
};

const COPIES = 'controller/volume/copies.ts';
const IO_PATH = 'controller/volume/io-path.ts';
const VOLUME = 'controller/volume/volume.ts';
const REPLICA = 'replica/core/replica.ts';
const HISTORY = 'replica/core/change-history.ts';
const EXTENTS = 'replica/core/extent-tracker.ts';
const REFUSED = 'replica/core/why-refused.ts';
const JOURNAL = 'replica/core/journal.ts';
const JOURNAL_CONTENT = 'replica/store/journal-content.ts';

export const MUTATIONS: readonly Mutation[] = [
  mutate(
    'acknowledge-before-record',
    'I2: a write goes without a copy that the record still lists',
    {
      file: COPIES,
      find: "if (isInSync || entry.joining !== 'no') {",
      replace: "if ((isInSync && !entry.mustLeave) || entry.joining !== 'no') {",
    },
  ),
  mutate('forget-joining-copy', 'I1: a copy that is being added is not waited for', {
    file: COPIES,
    find: "if (isInSync || entry.joining !== 'no') {",
    replace: 'if (isInSync) {',
  }),
  mutate(
    'guess-lost-answer',
    'I1: a change whose answer was lost is taken to have happened',
    {
      file: 'controller/volume/record-keeper.ts',
      find: '  retry(effects: VolumeEffect[]): void {',
      replace:
        '  guess(): Membership { return this.#pending!; }\n  retry(effects: VolumeEffect[]): void {',
    },
    {
      file: VOLUME,
      find: 'return this.#keeper.retry(effects);',
      replace: 'return this.#onRecord(this.#keeper.guess(), event.nowMs, effects);',
    },
  ),
  mutate('ignore-epochs', 'I4: a replica takes orders from an older controller', {
    file: REFUSED,
    find: 'if (hello.epoch < metadata.epoch) {',
    replace: 'if (hello.epoch < 0) {',
  }),
  mutate('start-from-stale', 'I5: a copy that missed writes counts at a start', {
    file: COPIES,
    find: "return this.#entries.filter((entry) => entry.record.state === 'in-sync');",
    replace: "return this.#entries.filter((entry) => entry.record.state !== 'syncing');",
  }),
  mutate(
    'trust-reformatted',
    'I5: an empty directory passes for the copy that was in its place',
    {
      file: REFUSED,
      find: 'if (hello.dataId !== null && hello.dataId !== metadata.dataId) {',
      replace: 'if (hello.dataId === undefined) {',
    },
    { file: REFUSED, find: 'metadata.session < hello.session', replace: 'metadata.session < 0' },
    {
      file: 'controller/volume/gathering.ts',
      find: 'return record.dataId === welcome.dataId ? undefined',
      replace: 'return record.dataId !== null ? undefined',
    },
  ),
  mutate('trust-rolled-back', 'I5: a disk restored from earlier passes for what it was', {
    file: REFUSED,
    find: 'metadata.session < hello.session',
    replace: 'metadata.session < 0',
  }),
  mutate('forget-tail', 'I6: what only some copies have got is not made equal at a start', {
    file: HISTORY,
    find: 'mergeRanges([...this.#tail.ranges(), ...this.#restartRanges])',
    replace: 'mergeRanges([...this.#restartRanges])',
  }),
  mutate('skip-equalising', 'I6: the first I/O is served before the copies are equal', {
    file: 'controller/volume/sync-jobs.ts',
    find: 'const tasks = planRanges(this.#tail);',
    replace: 'const tasks = planRanges([]);',
  }),
  mutate('read-without-lease', 'I7: a controller reads when it may have been replaced', {
    file: COPIES,
    find: 'this.leaseUntilMs = Math.min(this.leaseUntilMs, entry.leaseUntilMs);',
    replace: '',
  }),
  mutate('serve-beside-lease', 'I7: a controller serves while another may still read', {
    file: 'controller/volume/start.ts',
    find: 'if (nowMs >= foreignUntilMs) return true;',
    replace: 'if (nowMs >= 0) return true;',
  }),
  mutate('read-unconfirmed', 'I7: a read shows a write that a takeover may undo', {
    file: IO_PATH,
    find: 'if (this.#mutations.hasUnstableOverlap(offset, offset + length)) return false;',
    replace: '',
  }),
  mutate('answer-flush-early', 'I8: a flush is answered before anything is durable', {
    file: REPLICA,
    find: 'case OPCODE.FLUSH:\n        this.#durability.flush(askerOf(connection, frame));',
    replace: 'case OPCODE.FLUSH:\n        effects.push(reply(connection, frame, STATUS.OK));',
  }),
  mutate('forgive-failed-sync', 'I8: a failed fdatasync passes for one that worked', {
    file: REPLICA,
    find: 'const askers = this.#durability.synced(failure === undefined);',
    replace: 'failure = undefined; const askers = this.#durability.synced(true);',
  }),
  mutate('power-loss-as-kill', 'I13: a machine that lost power passes for a killed process', {
    file: HISTORY,
    find: "return isOtherBoot ? 'may-lack-writes' : 'killed';",
    replace: "return 'killed';",
  }),
  mutate('join-before-durable', 'I14: a synced copy is in-sync while its data is in memory only', {
    file: 'controller/volume/sync-jobs.ts',
    find: "target.joining = 'flushing';",
    replace: "target.joining = 'durable';",
  }),
  mutate('forget-marks', 'ADR 0012: survivors do not remember what a lost copy lacks', {
    file: VOLUME,
    find: 'if (left !== 0) this.#io.markUnconfirmed(left, effects);',
    replace: '',
  }),
  mutate('ignore-marks', 'ADR 0012: a replica answers MARK and does nothing', {
    file: REPLICA,
    find: 'this.#history.recordMark(frame);',
    replace: '',
  }),
  mutate('skip-equal-stamps', 'ADR 0012: equal stamps pass for equal bytes', {
    file: 'controller/volume/sync-plan.ts',
    find: "return target === STAMP.UNKNOWN || target === source ? 'compare' : 'copy';",
    replace:
      "if (target === source) return 'nothing';\n  return target === STAMP.UNKNOWN ? 'compare' : 'copy';",
  }),
  mutate('write-before-hot', 'ADR 0012: bytes change before the bit of their extent is durable', {
    file: EXTENTS,
    find: 'if (!this.#touchOne(extent, seq)) isDurable = false;',
    replace: 'this.#touchOne(extent, seq);',
  }),
  mutate('clear-hot-early', 'ADR 0012: an extent is cold before its data is durable', {
    file: 'replica/core/durability.ts',
    find: "    this.#stage = 'data';\n    this.#present = checkpoint;",
    replace:
      "    this.#stage = 'map';\n    this.#enqueue('regions');\n    this.#present = checkpoint;",
  }),
  mutate('grow-too-early', 'design section 5: initiators see an end that a copy does not have', {
    file: 'controller/volume/growth.ts',
    find: 'common = Math.min(common, isSound ? entry.sizeBytes : 0);',
    replace: '',
  }),
  mutate('keep-old-attribute', 'a start leaves the copies with different attributes', {
    file: IO_PATH,
    find: 'if (this.#copies.entries.every(isSame)) return;',
    replace: 'if (isSame !== undefined) return;',
  }),
  mutate('write-without-journal', 'ADR 0020: a copy writes what is atomic like anything else', {
    file: IO_PATH,
    find: 'operation.isAtomic === true ? FLAG.ATOMIC : 0',
    replace: '0',
  }),
  mutate('journal-in-cache', 'ADR 0020: the data changes before its record is durable', {
    file: 'test/sim/replica.ts', // of the driver, which is the simulator's own
    find: '        store.sync();\n        return answer(undefined);',
    replace: "        if (file !== 'journal') store.sync();\n        return answer(undefined);",
  }),
  mutate('forget-record-early', 'ADR 0020: a record is gone before its data is durable', {
    file: JOURNAL,
    find: 'if (!this.#isBehind(changes)) this.#end = RECORDS_OFFSET;',
    replace: 'this.#end = RECORDS_OFFSET;',
  }),
  mutate('skip-redo', 'ADR 0020: what was written down is not carried out again', {
    file: JOURNAL_CONTENT,
    find: 'redo: found.filter(({ number }) => number > doneUpTo)',
    replace: 'redo: found.filter(({ number }) => number < 0)',
  }),
  mutate('redo-after-flush', 'ADR 0020: what a flush covered is undone after a power loss', {
    file: JOURNAL,
    find: 'return this.#kept.some(({ number, isOverlapped }) => isOverlapped && number <= this.#durable);',
    replace: 'return false;',
  }),
  mutate('trust-left-records', 'ADR 0020: a process knows nothing newer than what it finds', {
    file: JOURNAL_CONTENT,
    find: 'isOverlapped: number <= doneUpTo,',
    replace: 'isOverlapped: false,',
  }),
  mutate(
    'redo-over-newer',
    'ADR 0020: a killed process carries out again what it had carried out',
    {
      file: 'replica/core/changes.ts',
      find: "if (isDone) effects.push({ kind: 'note', page: journal.carriedOut() });",
      replace: 'if (isDone) journal.carriedOut();',
    },
  ),
  mutate(
    'revive-given-up',
    'ADR 0020, I4: a record is carried out that its connection took along',
    {
      file: JOURNAL_CONTENT,
      find: 'if (!counts) break;',
      replace: '',
    },
  ),
  mutate(
    'equalise-piece-by-piece',
    'ADR 0020: a copy is in-sync with half of the bytes of another',
    {
      file: 'controller/volume/copy-sync.ts',
      find: "return this.#work.kind === 'pieces' ? FLAG.STAGED : 0;",
      replace: 'return 0;',
    },
  ),
  mutate('sync-without-attribute', 'a copy that was away keeps the attribute that it had', {
    file: 'controller/volume/sync-jobs.ts',
    find: 'turn.effects.push(makeStore(this.#io, entry.bit, this.#io.attribute));',
    replace: '',
  }),
];

export function findMutation(name: string): Mutation {
  const mutation = MUTATIONS.find((candidate) => candidate.name === name);
  if (mutation !== undefined) return mutation;
  const names = MUTATIONS.map((candidate) => candidate.name);
  throw new Error(`--mutation: expected one of ${names.join(', ')}, got ${name}`);
}

function mutate(name: string, why: string, ...patches: readonly Patch[]): Mutation {
  return { name, why, patches };
}
