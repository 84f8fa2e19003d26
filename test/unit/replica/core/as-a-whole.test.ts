import type { ReplicaEffect } from '../../../../replica/core/step.ts';
import { FLAG, OPCODE, STATUS, type Status } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import { JOURNAL_BYTES, RECORDS_OFFSET } from '../../../../replica/store/journal-content.ts';
import { CoreHarness, E, frameOf, replyTo, savedBits, words } from '../support/core-harness.ts';

const PAGES = 4;
const LENGTH = PAGES * 4096;
const RECORD_MARK_SECTORS = { carriedOut: 0, durable: 512 };

/** An atomic write of 16 KiB. */
const atomic = (seq: number, fields: Partial<Frame> = {}) =>
  frameOf(OPCODE.WRITE, { seq, length: LENGTH, flags: FLAG.ATOMIC, ...fields });
const staged = (seq: number, offset: number, fields: Partial<Frame> = {}) =>
  frameOf(OPCODE.WRITE, {
    seq,
    offset,
    flags: FLAG.ASSIGN | FLAG.STAGED,
    length: 65536,
    ...fields,
  });
const commit = (seq: number, firstSeq: number) => frameOf(OPCODE.COMMIT, { seq, offset: firstSeq });

/** Plays the driver, as far as the disk needs no time; saves and syncs are the test's. */
class Driver {
  readonly core: CoreHarness;
  /** Everything that was asked for, in words. */
  readonly done: string[] = [];
  readonly effects: ReplicaEffect[] = [];
  reserveStatus: Status = STATUS.OK;
  writeStatus: Status = STATUS.OK;

  constructor(core = CoreHarness.withHot(0)) {
    this.core = core;
  }

  turn(...frames: readonly Frame[]): this {
    for (const frame of frames) this.carryOut(this.core.sendFrame(frame));
    return this.endTurn();
  }

  endTurn(): this {
    this.carryOut(this.core.endTurn());
    return this;
  }

  saved(failure?: string, isFull = false): this {
    this.carryOut(this.core.saved(failure, isFull));
    return this.endTurn();
  }

  synced(failure?: string): this {
    this.carryOut(this.core.synced(failure));
    return this.endTurn();
  }

  carryOut(effects: ReplicaEffect[]): void {
    for (let index = 0; index < effects.length; index += 1) {
      const effect = effects[index]!;
      this.effects.push(effect);
      this.done.push(...words([effect]));
      if (effect.kind === 'reserve') {
        const { connection } = effect;
        effects.push(
          ...this.core.step({ kind: 'reserved', connection, status: this.reserveStatus }),
        );
      }
      if (effect.kind === 'write' || effect.kind === 'trim') {
        effects.push(...this.core.executed(effect.frame, this.writeStatus));
      }
    }
  }

  /** What was asked for since the last call. */
  take(): string[] {
    return this.done.splice(0);
  }

  /** Where the last save of the journal wrote. */
  savedAt(): number[] {
    const save = this.effects.findLast(({ kind }) => kind === 'save');
    if (save?.kind !== 'save' || save.file !== 'journal') throw new Error('no save of the journal');
    return save.pages.map(({ offset }) => offset);
  }
}

const WRITE_REPLY = `reply ${OPCODE.WRITE_REPLY}`;

test('atomic write, is written down durably before its data, and noted before it is answered for good', () => {
  const driver = new Driver().turn(atomic(1));
  expect(driver.take()).toEqual(['reserve', 'save journal']);
  driver.saved();
  expect(driver.take()).toEqual(['write', WRITE_REPLY, 'note']);
  expect(driver.effects.at(-1)).toMatchObject({ page: { offset: RECORD_MARK_SECTORS.carriedOut } });
});

test('atomic write, waits until its extent is hot, and only then for its record', () => {
  const driver = new Driver().turn(atomic(1, { offset: 8 * E }));
  expect(driver.take()).toEqual(['save hot']);
  driver.saved();
  expect(driver.take()).toEqual(['reserve', 'save journal']);
});

test('atomic write, with FUA, is answered after an fdatasync of its data', () => {
  const driver = new Driver().turn(atomic(1, { flags: FLAG.ATOMIC | FLAG.FUA })).saved();
  expect(driver.take().slice(2)).toEqual(['write', 'note', 'fdatasync']);
  driver.synced();
  expect(driver.take()).toEqual([WRITE_REPLY]);
});

test('atomic writes that come together, share one record, and what is behind them waits for it', () => {
  const driver = new Driver().turn(
    atomic(1),
    atomic(2, { offset: LENGTH }),
    frameOf(OPCODE.WRITE, { seq: 3 }),
    frameOf(OPCODE.READ, { seq: 4 }),
    atomic(5),
  );
  expect(driver.take()).toEqual(['reserve', 'save journal']);
  expect(driver.effects.find(({ kind }) => kind === 'reserve')).toMatchObject({
    frames: [{ seq: 1 }, { seq: 2 }],
  });
  driver.saved();
  // The note stands before anything newer, which may go over what the record covers.
  const first = ['write', 'write', WRITE_REPLY, WRITE_REPLY, 'note', 'write', 'read', WRITE_REPLY];
  expect(driver.take()).toEqual([...first, 'reserve', 'save journal']);
});

test('atomic write, is refused and leaves nothing, when there is no space for its data', () => {
  const driver = new Driver();
  driver.reserveStatus = STATUS.NO_SPACE;
  driver.turn(atomic(1), atomic(2), frameOf(OPCODE.READ, { seq: 3 }));
  const refused = replyTo(OPCODE.WRITE_REPLY, 1, STATUS.NO_SPACE);
  // First the two together, then each alone.
  expect(driver.take()).toEqual([
    ...['reserve', 'reserve', WRITE_REPLY, 'reserve', WRITE_REPLY, 'read'],
  ]);
  expect(driver.effects).toContainEqual(refused);
  expect(driver.effects).toContainEqual({ ...refused, seq: 2 });
});

test('atomic write, is refused, when there is no space for its record; the replica goes on', () => {
  const driver = new Driver().turn(atomic(1), frameOf(OPCODE.READ, { seq: 2 }));
  driver.take();
  driver.saved('ENOSPC', true);
  // What was written of the record must not be carried out, neither after a kill nor a power loss.
  expect(driver.take()).toEqual(['note', WRITE_REPLY, 'read', 'save journal']);
  expect(driver.savedAt()).toEqual([RECORDS_OFFSET]);
  expect(driver.effects).toContainEqual(replyTo(OPCODE.WRITE_REPLY, 1, STATUS.NO_SPACE));
  driver.turn(frameOf(OPCODE.FLUSH, { seq: 3 })).synced();
  expect(driver.take()).toEqual(['fdatasync']);
  driver.saved();
  expect(driver.take()).toEqual([`reply ${OPCODE.FLUSH_REPLY}`]);
  driver.turn(atomic(4)).saved();
  expect(driver.take()).toEqual(['reserve', 'save journal', 'write', WRITE_REPLY, 'note']);
});

test.each([
  ['its data cannot be written', STATUS.IO_FAILED],
  ['there is no space after all', STATUS.NO_SPACE],
])('atomic write, stops the replica and is not noted, when %s', (_what, status) => {
  const driver = new Driver().turn(atomic(1));
  driver.writeStatus = status;
  driver.saved();
  expect(driver.take().slice(2)).toEqual(['write', WRITE_REPLY, 'stop']);
  expect(driver.effects).toContainEqual(replyTo(OPCODE.WRITE_REPLY, 1, STATUS.IO_FAILED));
});

test('replica, stops and says that it may lack writes, when the record cannot be made durable', () => {
  const driver = new Driver().turn(atomic(1)).saved('EIO');
  expect(driver.take().slice(2)).toEqual(['persist', 'stop']);
  expect(driver.effects.findLast(({ kind }) => kind === 'persist')).toMatchObject({
    metadata: { mayLackWrites: true },
  });
});

test('replica, is not pristine any more, before the first record may be carried out again', () => {
  const core = new CoreHarness({ isPristine: true });
  core.hello(1);
  const driver = new Driver(core).turn(atomic(1)).saved();
  expect(driver.take()).toEqual(['save hot', 'reserve', 'persist', 'save journal']);
});

test('I4 a record whose connection is gone, is never carried out, and does not count at the next start', () => {
  const driver = new Driver().turn(atomic(1)).saved().turn(atomic(2));
  driver.take();
  const effects = driver.core.hello(2, { epoch: 7, instanceId: 'i7' });
  expect(effects).toContainEqual(
    expect.objectContaining({
      kind: 'persist',
      metadata: expect.objectContaining({ journalKept: 1 }),
    }),
  );
  driver.saved();
  expect(driver.take()).toEqual([]);
  // The next record has its number, its place, and another session.
  const places = driver.savedAt();
  driver.carryOut(driver.core.sendFrame(atomic(3), 2));
  driver.endTurn();
  expect(driver.savedAt()).toEqual(places);
});

test('I8 a flush, is answered after the mark that keeps a record from undoing it, when something newer was written', () => {
  const driver = new Driver().turn(atomic(1)).saved();
  driver.turn(frameOf(OPCODE.WRITE, { seq: 2, offset: 4096 }), frameOf(OPCODE.FLUSH, { seq: 3 }));
  driver.take();
  driver.synced();
  expect(driver.take()).toEqual(['save journal']);
  expect(driver.savedAt()).toEqual([RECORD_MARK_SECTORS.durable]);
  driver.saved();
  expect(driver.take()).toEqual([`reply ${OPCODE.FLUSH_REPLY}`]);
});

test('a flush, needs no mark, when nothing newer lies over a record', () => {
  const driver = new Driver().turn(atomic(1)).saved();
  driver.turn(frameOf(OPCODE.WRITE, { seq: 2, offset: LENGTH }), frameOf(OPCODE.FLUSH, { seq: 3 }));
  driver.take();
  driver.synced();
  expect(driver.take()).toEqual([`reply ${OPCODE.FLUSH_REPLY}`]);
});

test('journal, is filled to its end, and begun again only when all its data is durable', () => {
  const driver = new Driver();
  const starts: number[] = [];
  const length = 128 * 1024;
  // A record of 128 KiB takes 132 KiB: so many of them fit behind the marks.
  const count = Math.floor((JOURNAL_BYTES - RECORDS_OFFSET) / (132 * 1024));
  for (let seq = 1; seq <= count; seq += 1) {
    driver.turn(atomic(seq, { length }));
    starts.push(driver.savedAt()[0]!);
    driver.saved();
  }
  expect(starts[0]).toBe(RECORDS_OFFSET);
  expect(starts.every((start, index) => index === 0 || start > starts[index - 1]!)).toBe(true);
  expect(starts.at(-1)! + length).toBeLessThan(JOURNAL_BYTES);
  expect(starts).toHaveLength(31);
  driver.take();
  driver.turn(atomic(count + 1, { length }));
  expect(driver.take()).toEqual(['fdatasync']);
  driver.synced();
  expect(driver.take()).toEqual(['reserve', 'save journal']);
  // With the mark that ends the round before.
  expect(driver.savedAt().slice(0, 2)).toEqual([RECORD_MARK_SECTORS.durable, RECORDS_OFFSET]);
});

test('COMMIT, carries out all that was staged since it says, as one record, and is answered last', () => {
  const driver = new Driver();
  driver.turn(staged(1, 0), staged(2, 65536));
  driver.turn(staged(3, 2 * 65536, { opcode: OPCODE.TRIM, payload: Buffer.alloc(0) }));
  // Answered at once, since nothing was changed yet.
  expect(driver.take()).toEqual([WRITE_REPLY, WRITE_REPLY, `reply ${OPCODE.TRIM_REPLY}`]);
  driver.turn(commit(4, 2));
  expect(driver.take()).toEqual(['reserve', 'save journal']);
  driver.saved();
  expect(driver.take()).toEqual(['write', 'trim', 'note', `reply ${OPCODE.COMMIT_REPLY}`]);
  const written = driver.effects.find(({ kind }) => kind === 'write');
  expect(written).toMatchObject({ frame: { offset: 65536, seq: 4 } });
  expect(driver.core.regions.stampsOf(0, 3 * 65536)).toEqual([3, 3, 3]);
});

test('COMMIT, of nothing, is answered at once', () => {
  const driver = new Driver().turn(staged(1, 0));
  driver.take();
  expect(driver.turn(commit(2, 2)).take()).toEqual([`reply ${OPCODE.COMMIT_REPLY}`]);
});

test('COMMIT, makes the extents hot of what was staged, before its record', () => {
  const driver = new Driver(CoreHarness.withHot(0));
  driver.turn(staged(1, 3 * E));
  expect(savedBits(driver.effects)).toContain(3);
  driver.saved();
  driver.take();
  driver.turn(commit(2, 1));
  expect(driver.take()).toEqual(['reserve', 'save journal']);
});

test('COMMIT, that fails in the middle, is answered so, and stops the replica', () => {
  const driver = new Driver().turn(staged(1, 0), staged(2, 65536), commit(3, 1));
  driver.take();
  driver.writeStatus = STATUS.IO_FAILED;
  driver.saved();
  expect(driver.take()).toContain('stop');
  expect(driver.done).not.toContain('note');
  const failed = replyTo(OPCODE.COMMIT_REPLY, 3, STATUS.IO_FAILED);
  expect(driver.effects.filter((effect) => effect.kind === 'reply').at(-1)).toEqual(failed);
});

test('what was staged, is gone with its connection, and is more than a copy keeps at some point', () => {
  const driver = new Driver().turn(staged(1, 0));
  driver.core.hello(2, { epoch: 7, instanceId: 'i7' });
  driver.take();
  driver.carryOut(driver.core.sendFrame(commit(2, 0), 2));
  expect(driver.take()).toEqual([`reply ${OPCODE.COMMIT_REPLY}`]);
  const payload = Buffer.alloc(4 * 1024 * 1024, 1);
  const statuses = Array.from({ length: 17 }, (_, index) => {
    const frame = staged(3 + index, 0, { length: payload.length, payload });
    const effects = driver.core.sendFrame(frame, 2);
    return effects.map((effect) => (effect.kind === 'reply' ? effect.status : effect.kind));
  });
  expect(statuses.flat()).toEqual([...new Array(16).fill(STATUS.OK), STATUS.NO_SPACE]);
});

test('a write, is no request, when it is atomic and too long, or atomic and staged', () => {
  const driver = new Driver();
  driver.turn(atomic(1, { length: 132 * 1024 }));
  driver.turn(atomic(2, { flags: FLAG.ATOMIC | FLAG.STAGED }));
  for (const seq of [1, 2]) {
    expect(driver.effects).toContainEqual(replyTo(OPCODE.WRITE_REPLY, seq, STATUS.INVALID));
  }
  const tooMuch = frameOf(OPCODE.WRITE, { flags: FLAG.LZ4, payload: Buffer.alloc(4097) });
  expect(words(driver.core.sendFrame(tooMuch))).toEqual(['close']);
});
