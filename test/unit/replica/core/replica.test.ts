import {
  MAX_IO_BYTES,
  MAX_STAMPS_BYTES,
  MAX_TRIM_BYTES,
} from '../../../../replica/common/limits.ts';
import type { ReplicaEffect } from '../../../../replica/core/step.ts';
import { FLAG, OPCODE, type Opcode, STATUS } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import type { Hello } from '../../../../replica/protocol/hello.ts';
import { STAMP } from '../../../../replica/protocol/stamps.ts';
import { CoreHarness, frameOf, kinds, METADATA, replyTo, words } from '../support/core-harness.ts';

const R = 65536;

/** Connected, with the first extent hot, so that nothing there has to wait. */
const ready = () => CoreHarness.withHot(0);

describe('replica hello', () => {
  test('persists all that a next process must know, before it welcomes', () => {
    const core = new CoreHarness({ bootId: 'older', leaseHolders: ['i4'] });
    const [persist, welcome] = core.hello(1);
    expect(persist).toEqual({
      kind: 'persist',
      metadata: {
        ...{ ...METADATA, epoch: 6, instanceId: 'i6', session: 6 * 2 ** 20, bootId: 'boot' },
        leaseHolders: ['i4', 'i6'],
      },
    });
    expect(welcome).toEqual({
      ...{ kind: 'welcome', connection: 1 },
      welcome: {
        ...{
          protocolVersion: 4,
          volumeId: 'v1',
          replicaId: 'r1',
          dataId: 'd1',
          session: 6 * 2 ** 20,
        },
        ...{ sizeBytes: METADATA.sizeBytes, isPristine: false, lastSeq: 0, restart: 'none' },
        ...{ tail: [], leases: [{ instanceId: 'i4', remainingMs: 6000 }], attribute: '' },
      },
    });
  });

  test.each<[string, Partial<Hello>, string]>([
    ['an older epoch', { epoch: 4 }, 'EPOCH_SUPERSEDED'],
    ['the same epoch from another instance', { epoch: 5, instanceId: 'i6' }, 'EPOCH_SUPERSEDED'],
    ['another volume', { volumeId: 'v2' }, 'WRONG_IDENTITY'],
    ['another replica', { replicaId: 'r2' }, 'WRONG_IDENTITY'],
    ['another data id', { dataId: 'd2' }, 'WRONG_IDENTITY'],
    ['a session that this disk never had (I5)', { session: 8 }, 'WRONG_IDENTITY'],
    ['another protocol', { protocolVersion: 1 }, 'FAILED_PRECONDITION'],
  ])('is refused and changes nothing, when it has %s', (_case, fields, code) => {
    const core = new CoreHarness();
    const before = core.replica.status;
    expect(core.hello(1, fields)).toEqual([
      { kind: 'refuse', connection: 1, refusal: expect.objectContaining({ code }) },
    ]);
    expect(core.replica.status).toEqual(before);
  });

  test('is taken without a data id, and again from the same instance', () => {
    const core = new CoreHarness();
    expect(kinds(core.hello(1, { dataId: null }))).toEqual(['persist', 'welcome']);
    expect(kinds(core.hello(2))).toEqual(['close', 'persist', 'welcome']);
  });

  test('fences the older controller: its connection is closed first, its frames are dropped', () => {
    const core = ready();
    core.send(1, OPCODE.FLUSH);
    core.endTurn();
    const effects = core.hello(2, { epoch: 7, instanceId: 'i7' });
    expect(effects[0]).toMatchObject({ kind: 'close', connection: 1 });
    expect(kinds(effects)).toEqual(['close', 'persist', 'welcome']);
    for (const opcode of [OPCODE.WRITE, OPCODE.READ, OPCODE.HEARTBEAT, OPCODE.GOODBYE]) {
      expect(core.send(1, opcode)).toEqual([]);
    }
    expect(core.synced()).toEqual([]);
    expect(core.hello(3)[0]).toMatchObject({ refusal: { code: 'EPOCH_SUPERSEDED' } });
    expect(kinds(core.send(2, OPCODE.WRITE))).toEqual(['write']);
  });

  test('hands the open tail of a dead controller to the next one, its regions unknown', () => {
    const core = ready();
    core.send(1, OPCODE.WRITE, { seq: 3, stableSeq: 2, offset: 2 * R + 8192 });
    const welcome = core.welcome(2, { epoch: 7, instanceId: 'i7' });
    const start = 2 * R + 8192;
    expect(welcome).toMatchObject({ lastSeq: 3, tail: [{ start, end: start + 4096 }] });
    expect(core.regions.stampsOf(R, 4 * R)).toEqual([0, STAMP.UNKNOWN, 0]);
    core.send(2, OPCODE.WRITE, { seq: 4, offset: 2 * R });
    expect(core.regions.newest(2 * R, 3 * R)).toBe(STAMP.UNKNOWN);
  });

  test('makes the open tail unknown, also when the same controller comes again', () => {
    const core = ready();
    core.send(1, OPCODE.WRITE, { seq: 4, stableSeq: 2, offset: 0 });
    core.send(1, OPCODE.WRITE, { seq: 5, stableSeq: 4, offset: R });
    expect(core.welcome(2).tail).toEqual([{ start: R, end: R + 4096 }]);
    expect(core.regions.stampsOf(0, 2 * R)).toEqual([3, STAMP.UNKNOWN]);
  });
});

describe('replica requests', () => {
  test('become effects in stream order', () => {
    const core = ready();
    expect(kinds(core.send(1, OPCODE.READ))).toEqual(['read']);
    expect(kinds(core.send(1, OPCODE.WRITE))).toEqual(['write']);
    expect(kinds(core.send(1, OPCODE.TRIM))).toEqual(['trim']);
    expect(core.send(1, OPCODE.HEARTBEAT, { seq: 9 })).toEqual([
      replyTo(OPCODE.HEARTBEAT_REPLY, 9),
    ]);
    const [status] = core.send(1, OPCODE.STATUS);
    expect(status).toMatchObject(replyTo(OPCODE.STATUS_REPLY));
    const { payload } = status as Extract<ReplicaEffect, { kind: 'reply' }>;
    expect(JSON.parse(String(payload))).toMatchObject({
      ...{ epoch: 6, controller: 'i6', restart: 'none', hotExtents: 1 },
    });
  });

  const beyond = METADATA.sizeBytes;
  test.each<[string, Opcode, Partial<Frame>]>([
    ['empty read', OPCODE.READ, { length: 0 }],
    ['long read', OPCODE.READ, { length: MAX_IO_BYTES + 1 }],
    ['long write', OPCODE.WRITE, { length: MAX_IO_BYTES + 1, payload: Buffer.alloc(1), flags: 1 }],
    ['long trim', OPCODE.TRIM, { length: MAX_TRIM_BYTES + 1 }],
    ['long mark', OPCODE.MARK, { length: MAX_TRIM_BYTES + 1 }],
    ['long stamps', OPCODE.STAMPS, { length: MAX_STAMPS_BYTES + R }],
    ['long hashes', OPCODE.HASHES, { length: MAX_IO_BYTES + R }],
    ['read past the end', OPCODE.READ, { offset: beyond - 4095 }],
    ['write past the end', OPCODE.WRITE, { offset: beyond }],
    ['trim past the end', OPCODE.TRIM, { offset: Number.MAX_SAFE_INTEGER }],
    ['stamps past the end', OPCODE.STAMPS, { offset: beyond, length: R }],
    ['write without a generation', OPCODE.WRITE, { generation: 0 }],
    ['trim in an unknown generation', OPCODE.TRIM, { generation: STAMP.UNKNOWN }],
    ['mark without a generation', OPCODE.MARK, { generation: 0 }],
    ['stamps up to within a block', OPCODE.STAMPS, { length: R - 512 }],
    ['hashes from within a region', OPCODE.HASHES, { offset: 4096, length: R }],
    ['assigned write up to within a block', OPCODE.WRITE, { flags: FLAG.ASSIGN, length: 512 }],
    ['assigned mark from within one', OPCODE.MARK, { flags: FLAG.ASSIGN, offset: 1, length: R }],
  ])('are invalid and leave no trace: %s', (_case, opcode, fields) => {
    const core = new CoreHarness({ isPristine: true });
    core.hello(1);
    const replyOpcode = (opcode + 32) as Opcode;
    expect(core.send(1, opcode, fields)).toEqual([replyTo(replyOpcode, 1, STATUS.INVALID)]);
    expect(core.endTurn()).toEqual([]);
    expect(core.replica.status).toMatchObject({ tailLength: 0, isPristine: true, hotExtents: 0 });
  });

  test.each<[string, Opcode, Partial<Frame>]>([
    ['raw payload of another length', OPCODE.WRITE, { payload: Buffer.alloc(5) }],
    ['a reply', OPCODE.WRITE_REPLY, {}],
    ['a second hello', OPCODE.HELLO, {}],
  ])('close the connection, when they are no requests: %s', (_case, opcode, fields) => {
    const core = ready();
    expect(kinds(core.send(1, opcode, fields))).toEqual(['close']);
    expect(core.send(1, OPCODE.READ)).toEqual([]);
  });

  test('close the connection, when a payload does not decompress, and trust nothing it meant', () => {
    const core = ready();
    const fields = { flags: FLAG.LZ4 | FLAG.ASSIGN, length: R, payload: Buffer.alloc(9) };
    core.send(1, OPCODE.WRITE, fields);
    expect(core.regions.newest(0, R)).toBe(3);
    expect(kinds(core.step({ kind: 'malformed', connection: 1 }))).toEqual(['close']);
    core.executed(frameOf(OPCODE.WRITE, fields), STATUS.INVALID);
    expect(core.regions.newest(0, R)).toBe(STAMP.UNKNOWN);
    expect(core.send(1, OPCODE.READ)).toEqual([]);
  });

  test('persist once that the copy is not pristine, before the first change of bytes', () => {
    for (const opcode of [OPCODE.WRITE, OPCODE.TRIM]) {
      const core = new CoreHarness({ isPristine: true });
      core.hello(1);
      core.send(1, OPCODE.MARK); // makes the extent hot and changes no bytes
      expect(kinds(core.settle())).toEqual(['save', 'reply']);
      const [persist, change] = core.send(1, opcode);
      expect(persist).toMatchObject({ kind: 'persist', metadata: { isPristine: false } });
      expect(change).toMatchObject({ frame: { opcode } });
      expect(core.send(1, opcode)).toHaveLength(1);
    }
  });

  test('are answered with what the disk said; a full disk is no reason to stop, a failed one is', () => {
    const core = ready();
    const write = frameOf(OPCODE.WRITE);
    expect(core.executed(write)).toEqual([replyTo(OPCODE.WRITE_REPLY)]);
    expect(core.regions.newest(0, R)).toBe(3);
    const fua = frameOf(OPCODE.WRITE, { flags: FLAG.FUA });
    expect(core.executed(fua, STATUS.NO_SPACE)).toEqual([
      replyTo(OPCODE.WRITE_REPLY, 1, STATUS.NO_SPACE),
    ]);
    expect(core.regions.newest(0, R)).toBe(STAMP.UNKNOWN); // how much of it is there?
    const failed = core.executed(frameOf(OPCODE.READ), STATUS.IO_FAILED);
    expect(failed[0]).toEqual(replyTo(OPCODE.READ_REPLY, 1, STATUS.IO_FAILED));
    expect(failed[1]).toMatchObject({ kind: 'stop', isFailure: true });
    expect(core.sendFrame(write)).toEqual([]);
  });

  test('are dropped from a connection that never said hello, or is closed', () => {
    const core = new CoreHarness();
    expect(core.send(1, OPCODE.READ)).toEqual([]);
    core.hello(1);
    expect(core.replica.status.controller).toBe('i6');
    core.step({ kind: 'closed', connection: 2 });
    expect(kinds(core.send(1, OPCODE.READ))).toEqual(['read']);
    core.step({ kind: 'closed', connection: 1 });
    expect(core.send(1, OPCODE.READ)).toEqual([]);
    expect(core.replica.status.controller).toBeNull();
  });
});

describe('replica stamps', () => {
  test('rise with each change before it is carried out, and are answered and read back', () => {
    const core = ready();
    core.send(1, OPCODE.TRIM, { offset: R, length: 2 * R, generation: 8 });
    core.send(1, OPCODE.MARK, { offset: 2 * R, length: 1, generation: 9 });
    core.send(1, OPCODE.WRITE, { offset: R, generation: 7 }); // sent in an older generation
    const [reply] = core.send(1, OPCODE.STAMPS, { length: 4 * R });
    const payload = Buffer.alloc(16);
    for (const [index, stamp] of [3, 8, 9, 0].entries()) payload.writeUInt32LE(stamp, index * 4);
    expect(reply).toEqual({ ...replyTo(OPCODE.STAMPS_REPLY), payload });
    const read = core.send(1, OPCODE.READ, { offset: R, length: 2 * R });
    expect(read).toMatchObject([{ kind: 'read', generation: 9 }]);
    const hash = core.send(1, OPCODE.HASHES, { offset: R, length: 2 * R });
    expect(hash).toMatchObject([{ kind: 'hash', stamps: [8, 9] }]);
  });

  test('become those of another copy, when whole regions are assigned, up to the short last one', () => {
    const sizeBytes = METADATA.sizeBytes + 4096;
    const core = new CoreHarness({ sizeBytes });
    core.hello(1);
    core.send(1, OPCODE.MARK, { length: R, generation: 9 });
    core.send(1, OPCODE.WRITE, { length: R, generation: 4, flags: FLAG.ASSIGN });
    const last = { offset: METADATA.sizeBytes, length: 4096 };
    core.send(1, OPCODE.MARK, { ...last, generation: 2, flags: FLAG.ASSIGN });
    expect(words(core.settle())).toEqual(['save hot', 'reply 57', 'write', 'reply 57']);
    expect(core.regions.newest(0, R)).toBe(4);
    expect(core.regions.newest(METADATA.sizeBytes, sizeBytes)).toBe(2);
  });
});

describe('replica flush', () => {
  test('is answered by an fdatasync that started after it came, one at a time', () => {
    const core = ready();
    core.send(1, OPCODE.FLUSH, { seq: 1 });
    expect(core.executed(frameOf(OPCODE.WRITE, { seq: 2, flags: FLAG.FUA }))).toEqual([]);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    core.send(1, OPCODE.FLUSH, { seq: 3 });
    core.executed(frameOf(OPCODE.TRIM, { seq: 4, flags: FLAG.FUA }));
    expect(core.endTurn()).toEqual([]);
    expect(core.send(1, OPCODE.HEARTBEAT)).toHaveLength(1); // a long fsync is not death
    expect(core.synced()).toEqual([replyTo(OPCODE.FLUSH_REPLY, 1), replyTo(OPCODE.WRITE_REPLY, 2)]);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(core.synced()).toEqual([replyTo(OPCODE.FLUSH_REPLY, 3), replyTo(OPCODE.TRIM_REPLY, 4)]);
    expect(core.endTurn()).toEqual([]);
  });

  test('is begun for nobody by a sync, each 64 MiB, so that its CHECKPOINT has little left to do', () => {
    const core = ready();
    const write = frameOf(OPCODE.WRITE, { flags: FLAG.ASSIGN, length: R });
    for (let count = 1; count < 1024; count += 1) core.executed(write);
    expect(core.endTurn()).toEqual([]);
    core.executed(write);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(core.synced()).toEqual([]);
    expect(core.endTurn()).toEqual([]);
  });

  test('fails the replica, when fdatasync fails: durably lacking writes, and never tried again', () => {
    const core = ready();
    core.send(1, OPCODE.FLUSH);
    core.endTurn();
    const [persist, reply, stop] = core.synced('EIO');
    expect(persist).toMatchObject({ kind: 'persist', metadata: { mayLackWrites: true } });
    expect(reply).toEqual(replyTo(OPCODE.FLUSH_REPLY, 1, STATUS.IO_FAILED));
    expect(stop).toMatchObject({ kind: 'stop', isFailure: true });
    expect(core.send(1, OPCODE.FLUSH)).toEqual([]);
    expect(core.endTurn()).toEqual([]);
  });

  test('is a bug of ours, when an fdatasync or a save ends that nobody started', () => {
    const core = new CoreHarness();
    expect(() => core.synced()).toThrow('an fdatasync was under way');
    expect(() => core.saved()).toThrow('a save was under way');
  });
});

describe('replica end', () => {
  const NO_READERS = {
    kind: 'persist',
    metadata: expect.objectContaining({ leaseHolders: [] }),
  };

  test('after a goodbye leaves nothing hot: data first, then stamps, then bits, then the reply', () => {
    const core = ready();
    core.send(1, OPCODE.WRITE, { seq: 1 });
    expect(core.send(1, OPCODE.GOODBYE, { seq: 2 })).toEqual([]);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    core.synced();
    expect(words(core.endTurn())).toEqual(['save regions']);
    core.saved();
    expect(words(core.endTurn())).toEqual(['save hot']);
    expect(core.saved()).toEqual([]);
    expect(core.endTurn()).toEqual([NO_READERS, replyTo(OPCODE.GOODBYE_REPLY, 2)]);
    expect(core.send(1, OPCODE.WRITE, { seq: 3 })).toEqual([]);
    expect(core.replica.status).toMatchObject({ hotExtents: 0, controller: null });
  });

  test('after a goodbye leaves hot what the controller never made equal', () => {
    const core = ready();
    core.send(1, OPCODE.WRITE, { seq: 1 });
    core.hello(2, { epoch: 7, instanceId: 'i7' });
    core.send(2, OPCODE.GOODBYE, { seq: 2 });
    expect(words(core.settle())).toEqual(['fdatasync', 'save regions', 'persist', 'reply 54']);
    expect(core.replica.status.hotExtents).toBe(1);
  });

  test('after a goodbye is not answered, when another controller came meanwhile', () => {
    const core = ready();
    core.send(1, OPCODE.GOODBYE);
    core.endTurn();
    core.hello(2, { epoch: 7, instanceId: 'i7' });
    core.synced();
    expect(words(core.settle())).toEqual(['save regions']);
    // The new one has not said yet that all is equal, so what was written stays hot.
    expect(core.replica.status).toMatchObject({ controller: 'i7', hotExtents: 1 });
  });

  test('by a signal is durable, and leaves nothing hot when no write is open', () => {
    for (const stableSeq of [0, 1]) {
      const core = ready();
      core.send(1, OPCODE.WRITE, { seq: 1 });
      core.send(1, OPCODE.HEARTBEAT, { stableSeq });
      expect(core.step({ kind: 'shutdown' })).toEqual([]);
      expect(core.send(1, OPCODE.WRITE)).toEqual([]);
      expect(core.hello(2)[0]).toMatchObject({ refusal: { code: 'UNAVAILABLE' } });
      const effects = core.settle();
      expect(effects.at(-1)).toEqual({ kind: 'stop', isFailure: false, reason: 'asked to stop' });
      expect(words(effects).slice(0, -1)).toEqual(
        ['fdatasync', 'save regions', 'save hot'].slice(0, 2 + stableSeq),
      );
      expect(core.replica.status.hotExtents).toBe(1 - stableSeq);
    }
  });

  test('by a signal waits for an fdatasync of its own, and fails when that fails', () => {
    const core = ready();
    core.send(1, OPCODE.FLUSH);
    core.endTurn();
    core.step({ kind: 'shutdown' });
    expect(core.endTurn()).toEqual([]);
    expect(kinds(core.synced())).toEqual(['reply']);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(core.synced('EIO').at(-1)).toMatchObject({ kind: 'stop', isFailure: true });
  });
});

test('replica hello of an older epoch never brings a rolled-back disk up to a newer session (I5)', () => {
  const core = new CoreHarness();
  for (let hello = 1; hello < 100; hello += 1) core.hello(hello, { epoch: 6 });
  const ofNextEpoch = new CoreHarness().welcome(1, { epoch: 7 }).session;
  expect(core.welcome(100, { epoch: 6 }).session).toBeLessThan(ofNextEpoch);
});
