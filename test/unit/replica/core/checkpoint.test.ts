import { OPCODE, STATUS } from '../../../../replica/protocol/constants.ts';
import { CoreHarness, E, kinds, replyTo, savedBits, words } from '../support/core-harness.ts';

const withHot = (...extents: number[]) => CoreHarness.withHot(...extents);

/** Heartbeats until the copy counts as idle. */
function idle(core: CoreHarness, stableSeq = 1): void {
  for (let beat = 0; beat < 5; beat += 1) core.send(1, OPCODE.HEARTBEAT, { stableSeq });
}

describe('CHECKPOINT', () => {
  test('is answered once data and stamps are durable, and clears no bit', () => {
    const core = withHot(0);
    expect(core.send(1, OPCODE.CHECKPOINT, { seq: 5, stableSeq: 1 })).toEqual([]);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(core.synced()).toEqual([]);
    expect(words(core.endTurn())).toEqual(['save regions']);
    expect(core.saved()).toEqual([]);
    expect(core.endTurn()).toEqual([replyTo(OPCODE.CHECKPOINT_REPLY, 5)]);
    expect(core.settle()).toEqual([]);
    expect(core.replica.status.hotExtents).toBe(1);
  });

  test('does not count an fdatasync that began before it, and shares the next with a flush', () => {
    const core = withHot(0);
    core.send(1, OPCODE.FLUSH, { seq: 5 });
    core.endTurn();
    core.send(1, OPCODE.CHECKPOINT, { seq: 6 });
    core.send(1, OPCODE.FLUSH, { seq: 7 });
    expect(core.endTurn()).toEqual([]);
    expect(core.synced()).toEqual([replyTo(OPCODE.FLUSH_REPLY, 5)]);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(core.synced()).toEqual([replyTo(OPCODE.FLUSH_REPLY, 7)]);
    expect(words(core.endTurn())).toEqual(['save regions']);
  });

  test('that comes while another runs, gets one of its own', () => {
    const core = withHot(0);
    core.send(1, OPCODE.CHECKPOINT, { seq: 5 });
    core.endTurn();
    core.send(1, OPCODE.WRITE, { seq: 6, generation: 9 });
    core.send(1, OPCODE.CHECKPOINT, { seq: 7 });
    expect(core.endTurn()).toEqual([]);
    core.synced();
    core.endTurn();
    core.saved();
    expect(words(core.endTurn())).toEqual(['fdatasync', 'reply 58']);
    core.synced();
    // Its stamp was in the save of the first: there is nothing left to write.
    expect(core.endTurn()).toEqual([replyTo(OPCODE.CHECKPOINT_REPLY, 7)]);
  });

  test('fails the replica, when the stamps cannot be saved, and is not answered', () => {
    const core = withHot(0);
    core.send(1, OPCODE.CHECKPOINT);
    core.endTurn();
    core.synced();
    core.endTurn();
    expect(kinds(core.saved('EIO'))).toEqual(['persist', 'stop']);
  });
});

describe('an idle copy', () => {
  test('cools down after five heartbeats without a change: data, stamps, bits', () => {
    const core = withHot(0, 7);
    for (let beat = 0; beat < 4; beat += 1) core.send(1, OPCODE.HEARTBEAT, { stableSeq: 1 });
    core.send(1, OPCODE.MARK);
    idle(core);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    core.synced();
    expect(words(core.endTurn())).toEqual(['save regions']);
    core.saved();
    const effects = core.endTurn();
    expect(words(effects)).toEqual(['save hot']);
    expect(savedBits(effects)).toEqual([]);
    core.saved();
    idle(core);
    expect(core.settle()).toEqual([]); // and then does nothing more
    expect(core.replica.status.hotExtents).toBe(0);
  });

  test('stays hot where a write is not on all copies', () => {
    const core = new CoreHarness();
    core.hello(1);
    core.send(1, OPCODE.WRITE, { offset: 0, seq: 1 });
    core.send(1, OPCODE.WRITE, { offset: 7 * E, seq: 2 });
    core.settle();
    idle(core, 1);
    expect(savedBits(core.settle())).toEqual([7]);
    idle(core, 1);
    expect(core.settle()).toEqual([]);
    idle(core, 2);
    expect(savedBits(core.settle())).toEqual([]);
  });
});

describe('a write during a checkpoint', () => {
  /** Two hot extents; the checkpoint that will clear them waits for its fdatasync. */
  function cooling(): CoreHarness {
    const core = withHot(0, 7);
    idle(core);
    core.endTurn();
    return core;
  }
  const writeTo0 = [OPCODE.WRITE, { offset: 0, seq: 9, stableSeq: 9, generation: 4 }] as const;

  test('goes on at once and keeps its extent hot, while data or stamps are being made durable', () => {
    for (const isLate of [false, true]) {
      const core = cooling();
      if (!isLate) expect(kinds(core.send(1, ...writeTo0))).toEqual(['write']);
      core.synced();
      core.endTurn();
      if (isLate) expect(kinds(core.send(1, ...writeTo0))).toEqual(['write']);
      core.saved();
      expect(savedBits(core.endTurn())).toEqual([0]);
      core.saved();
      expect(core.replica.status.hotExtents).toBe(1);
    }
  });

  test('waits for its bit to be set again, once the save that clears it has begun', () => {
    const core = cooling();
    core.synced();
    core.endTurn();
    core.saved();
    expect(savedBits(core.endTurn())).toEqual([]);
    expect(core.send(1, ...writeTo0)).toEqual([]);
    expect(core.endTurn()).toEqual([]);
    expect(core.saved()).toEqual([]); // the save that ends is the one that cleared it
    expect(savedBits(core.endTurn())).toEqual([0]);
    expect(kinds(core.saved())).toEqual(['write']);
    expect(core.replica.status.hotExtents).toBe(1);
  });

  test('that another extent waits for, is not let go by the save of the stamps', () => {
    const core = cooling();
    core.synced();
    expect(words(core.endTurn())).toEqual(['save regions']);
    expect(core.send(1, OPCODE.WRITE, { offset: 50 * E, seq: 3 })).toEqual([]);
    expect(core.endTurn()).toEqual([]);
    expect(core.saved()).toEqual([]);
    const effects = core.endTurn();
    expect(savedBits(effects)).toEqual([50]); // one save sets this bit and clears the others
    expect(kinds(core.saved())).toEqual(['write']);
    expect(core.replica.status.hotExtents).toBe(1);
  });
});

test('too many hot extents, cool down those not written to for the longest', () => {
  const core = new CoreHarness({ sizeBytes: 4000 * E });
  core.hello(1);
  const spots = Array.from({ length: 1025 }, (_, index) => index * 2); // none follows another
  let stableSeq = 0;
  for (const spot of spots) {
    core.send(1, OPCODE.WRITE, { offset: spot * E, seq: stableSeq + 1, stableSeq });
    stableSeq += 1;
    core.settle();
  }
  expect(core.replica.status.hotExtents).toBe(513); // the last one was just on its way in
  const isReady = (spot: number) =>
    core.send(1, OPCODE.WRITE, { offset: spot * E, seq: stableSeq, stableSeq }).length > 0;
  expect(isReady(spots.at(-513)!)).toBe(true);
  expect(isReady(spots.at(-514)!)).toBe(false);
});

test('too many hot extents that nobody called stable, cost no checkpoint with every write', () => {
  const core = new CoreHarness({ sizeBytes: 4000 * E });
  core.hello(1);
  let syncs = 0;
  for (let index = 0; index < 1200; index += 1) {
    core.send(1, OPCODE.WRITE, { offset: index * 2 * E, seq: index + 1 });
    syncs += core.settle().filter(({ kind }) => kind === 'fdatasync').length;
  }
  expect([core.replica.status.hotExtents, syncs]).toEqual([1200, 1]);
});

test('a stop, waits for the checkpoint under way and then makes one of its own', () => {
  const core = withHot(0);
  idle(core);
  core.endTurn();
  core.send(1, OPCODE.WRITE, { offset: 0, seq: 2, stableSeq: 1 });
  core.send(1, OPCODE.HEARTBEAT, { stableSeq: 2 });
  core.step({ kind: 'shutdown' });
  core.synced();
  const effects = core.settle();
  expect(words(effects)).toEqual(['save regions', 'fdatasync', 'save hot', 'stop']);
  expect(effects.at(-1)).toMatchObject({ isFailure: false });
  expect(core.replica.status.hotExtents).toBe(0);
});

test('frames behind a goodbye, are dropped with what they were held for', () => {
  const core = withHot(0);
  core.send(1, OPCODE.GOODBYE, { seq: 2 });
  core.send(1, OPCODE.WRITE, { offset: 50 * E, seq: 3 });
  core.send(1, OPCODE.READ, { seq: 4 });
  const effects = core.settle();
  expect(effects).toContainEqual(replyTo(OPCODE.GOODBYE_REPLY, 2, STATUS.OK));
  expect(core.send(1, OPCODE.READ)).toEqual([]);
});
