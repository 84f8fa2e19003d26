import { MAX_IO_BYTES, MAX_TRIM_BYTES } from '../../../../replica/common/limits.ts';
import { Replica } from '../../../../replica/core/replica.ts';
import type { ReplicaEffect, ReplicaEvent } from '../../../../replica/core/step.ts';
import { FLAG, OPCODE, type Opcode, STATUS } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import type { Hello } from '../../../../replica/protocol/hello.ts';
import type { Metadata } from '../../../../replica/store/metadata-record.ts';

const METADATA: Metadata = {
  ...{ volumeId: 'v1', replicaId: 'r1', dataId: 'd1', sizeBytes: 2 * MAX_TRIM_BYTES, epoch: 5 },
  ...{ instanceId: 'i5', session: 7, isClean: true, isPristine: false },
};
const HELLO: Hello = {
  ...{ protocolVersion: 1, volumeId: 'v1', replicaId: 'r1', dataId: 'd1' },
  ...{ epoch: 6, instanceId: 'i6', nonce: 'n' },
};

function makeReplica(change: Partial<Metadata> = {}) {
  const replica = new Replica({ ...METADATA, ...change }, 'boot');
  const step = (event: ReplicaEvent): ReplicaEffect[] => {
    const effects: ReplicaEffect[] = [];
    replica.step(event, effects);
    return effects;
  };
  const hello = (connection: number, fields: Partial<Hello> = {}) =>
    step({ kind: 'hello', connection, hello: { ...HELLO, ...fields } });
  const send = (connection: number, opcode: Opcode, fields: Partial<Frame> = {}) =>
    step({ kind: 'frame', connection, frame: frameOf(opcode, fields) });
  const executed = (frame: Frame, status: number = STATUS.OK) =>
    step({ kind: 'executed', connection: 1, frame, status: status as never });
  const endTurn = () => step({ kind: 'turn-ended' });
  const synced = (failure?: string) => step({ kind: 'synced', failure });
  return { replica, step, hello, send, executed, endTurn, synced };
}

function frameOf(opcode: Opcode, fields: Partial<Frame> = {}): Frame {
  const length = fields.length ?? (opcode < OPCODE.FLUSH || opcode === OPCODE.TRIM ? 4096 : 0);
  const payload = Buffer.alloc(opcode === OPCODE.WRITE ? length : 0, 1);
  return {
    ...{ opcode, flags: 0, status: 0, seq: 1, stableSeq: 0, offset: 0, length, payload },
    ...fields,
  };
}

const kinds = (effects: ReplicaEffect[]) => effects.map((effect) => effect.kind);
const replyTo = (opcode: Opcode, seq = 1, status: number = STATUS.OK) => ({
  ...{ kind: 'reply', connection: 1, opcode, seq, status },
});

describe('replica hello', () => {
  test('persists epoch, instance and session before it welcomes', () => {
    const [persist, welcome] = makeReplica().hello(1);
    expect(persist).toEqual({
      kind: 'persist',
      metadata: { ...METADATA, epoch: 6, instanceId: 'i6', session: 8, isClean: false },
    });
    expect(welcome).toEqual({
      ...{ kind: 'welcome', connection: 1 },
      welcome: {
        ...{ protocolVersion: 1, volumeId: 'v1', replicaId: 'r1', dataId: 'd1', session: 8 },
        ...{ sizeBytes: METADATA.sizeBytes, isPristine: false, lastSeq: 0, bootId: 'boot' },
        tail: { known: true, ranges: [] },
      },
    });
  });

  test.each<[string, Partial<Hello>, string]>([
    ['an older epoch', { epoch: 4 }, 'EPOCH_SUPERSEDED'],
    ['the same epoch from another instance', { epoch: 5, instanceId: 'i6' }, 'EPOCH_SUPERSEDED'],
    ['another volume', { volumeId: 'v2' }, 'WRONG_IDENTITY'],
    ['another replica', { replicaId: 'r2' }, 'WRONG_IDENTITY'],
    ['another data id', { dataId: 'd2' }, 'WRONG_IDENTITY'],
    ['another protocol', { protocolVersion: 2 }, 'FAILED_PRECONDITION'],
  ])('is refused and changes nothing, when it has %s', (_case, fields, code) => {
    const { hello, replica } = makeReplica();
    const before = replica.status;
    expect(hello(1, fields)).toEqual([
      { kind: 'refuse', connection: 1, refusal: expect.objectContaining({ code }) },
    ]);
    expect(replica.status).toEqual(before);
  });

  test('is taken without a data id, and again from the same instance', () => {
    const { hello } = makeReplica();
    expect(kinds(hello(1, { dataId: null }))).toEqual(['persist', 'welcome']);
    expect(kinds(hello(2))).toEqual(['close', 'persist', 'welcome']);
  });

  test('fences the older controller: its connection is closed first, its frames are dropped', () => {
    const { hello, send, synced, endTurn } = makeReplica();
    hello(1);
    send(1, OPCODE.FLUSH);
    endTurn();
    const effects = hello(2, { epoch: 7, instanceId: 'i7' });
    expect(effects[0]).toMatchObject({ kind: 'close', connection: 1 });
    expect(kinds(effects)).toEqual(['close', 'persist', 'welcome']);
    for (const opcode of [OPCODE.WRITE, OPCODE.READ, OPCODE.HEARTBEAT, OPCODE.GOODBYE]) {
      expect(send(1, opcode)).toEqual([]);
    }
    expect(synced()).toEqual([]);
    expect(hello(3)[0]).toMatchObject({ refusal: { code: 'EPOCH_SUPERSEDED' } });
    expect(kinds(send(2, OPCODE.WRITE))).toEqual(['write']);
  });

  test('hands the open tail of a dead controller to the next one', () => {
    const { hello, send } = makeReplica();
    hello(1);
    send(1, OPCODE.WRITE, { seq: 3, stableSeq: 2, offset: 8192 });
    const welcome = hello(2, { epoch: 7, instanceId: 'i7' }).at(-1);
    const tail = { known: true, ranges: [{ start: 8192, end: 12288 }] };
    expect(welcome).toMatchObject({ welcome: { lastSeq: 3, tail } });
  });

  test('says that the tail is unknown, after a start that was not clean', () => {
    const welcome = makeReplica({ isClean: false }).hello(1).at(-1);
    expect(welcome).toMatchObject({ welcome: { tail: { known: false } } });
  });
});

describe('replica requests', () => {
  test('become effects in stream order', () => {
    const { hello, send } = makeReplica();
    hello(1);
    expect(kinds(send(1, OPCODE.READ))).toEqual(['read']);
    expect(kinds(send(1, OPCODE.WRITE))).toEqual(['write']);
    expect(kinds(send(1, OPCODE.TRIM))).toEqual(['trim']);
    expect(send(1, OPCODE.HEARTBEAT, { seq: 9 })).toEqual([replyTo(OPCODE.HEARTBEAT_REPLY, 9)]);
    const [status] = send(1, OPCODE.STATUS);
    expect(status).toMatchObject(replyTo(OPCODE.STATUS_REPLY));
    const { payload } = status as Extract<ReplicaEffect, { kind: 'reply' }>;
    expect(JSON.parse(String(payload))).toMatchObject({ epoch: 6, controller: 'i6' });
  });

  test.each<[string, Opcode, Partial<Frame>]>([
    ['empty read', OPCODE.READ, { length: 0 }],
    ['long read', OPCODE.READ, { length: MAX_IO_BYTES + 1 }],
    ['long write', OPCODE.WRITE, { length: MAX_IO_BYTES + 1, payload: Buffer.alloc(1), flags: 1 }],
    ['long trim', OPCODE.TRIM, { length: MAX_TRIM_BYTES + 1 }],
    ['read past the end', OPCODE.READ, { offset: METADATA.sizeBytes - 4095 }],
    ['write past the end', OPCODE.WRITE, { offset: METADATA.sizeBytes }],
    ['trim past the end', OPCODE.TRIM, { offset: Number.MAX_SAFE_INTEGER }],
  ])('are invalid and leave no trace: %s', (_case, opcode, fields) => {
    const { hello, send, replica } = makeReplica({ isPristine: true });
    hello(1);
    expect(send(1, opcode, fields)).toEqual([replyTo((opcode + 32) as Opcode, 1, STATUS.INVALID)]);
    expect(replica.status).toMatchObject({ tailLength: 0, isPristine: true });
  });

  test.each<[string, Opcode, Partial<Frame>]>([
    ['raw payload of another length', OPCODE.WRITE, { payload: Buffer.alloc(5) }],
    ['a reply', OPCODE.WRITE_REPLY, {}],
    ['a second hello', OPCODE.HELLO, {}],
  ])('close the connection, when they are no requests: %s', (_case, opcode, fields) => {
    const { hello, send } = makeReplica();
    hello(1);
    expect(kinds(send(1, opcode, fields))).toEqual(['close']);
    expect(send(1, OPCODE.READ)).toEqual([]);
  });

  test('close the connection, when a payload does not decompress', () => {
    const { hello, send, step } = makeReplica();
    hello(1);
    send(1, OPCODE.WRITE, { flags: FLAG.LZ4 });
    expect(kinds(step({ kind: 'malformed', connection: 1 }))).toEqual(['close']);
    expect(send(1, OPCODE.READ)).toEqual([]);
  });

  test('persist once that the copy is not pristine, before the first change', () => {
    for (const opcode of [OPCODE.WRITE, OPCODE.TRIM]) {
      const { hello, send } = makeReplica({ isPristine: true });
      hello(1);
      expect(kinds(send(1, OPCODE.READ))).toEqual(['read']);
      const [persist, change] = send(1, opcode);
      expect(persist).toMatchObject({ kind: 'persist', metadata: { isPristine: false } });
      expect(change).toMatchObject({ frame: { opcode } });
      expect(send(1, opcode)).toHaveLength(1);
    }
  });

  test('are answered with what the disk said; a full disk is no reason to stop, a failed one is', () => {
    const { hello, executed, step } = makeReplica();
    hello(1);
    const write = frameOf(OPCODE.WRITE);
    expect(executed(write)).toEqual([replyTo(OPCODE.WRITE_REPLY)]);
    const fua = frameOf(OPCODE.WRITE, { flags: FLAG.FUA });
    expect(executed(fua, STATUS.NO_SPACE)).toEqual([
      replyTo(OPCODE.WRITE_REPLY, 1, STATUS.NO_SPACE),
    ]);
    const failed = executed(frameOf(OPCODE.READ), STATUS.IO_FAILED);
    expect(failed[0]).toEqual(replyTo(OPCODE.READ_REPLY, 1, STATUS.IO_FAILED));
    expect(failed[1]).toMatchObject({ kind: 'stop', isFailure: true });
    expect(step({ kind: 'frame', connection: 1, frame: write })).toEqual([]);
  });

  test('are dropped from a connection that never said hello, or is closed', () => {
    const { hello, send, step, replica } = makeReplica();
    expect(send(1, OPCODE.WRITE)).toEqual([]);
    hello(1);
    expect(replica.status.controller).toBe('i6');
    step({ kind: 'closed', connection: 2 });
    expect(kinds(send(1, OPCODE.WRITE))).toEqual(['write']);
    step({ kind: 'closed', connection: 1 });
    expect(send(1, OPCODE.WRITE)).toEqual([]);
    expect(replica.status.controller).toBeNull();
  });
});

describe('replica flush', () => {
  test('is answered by an fdatasync that started after it came, one at a time', () => {
    const { hello, send, executed, endTurn, synced } = makeReplica();
    hello(1);
    send(1, OPCODE.FLUSH, { seq: 1 });
    expect(executed(frameOf(OPCODE.WRITE, { seq: 2, flags: FLAG.FUA }))).toEqual([]);
    expect(endTurn()).toEqual([{ kind: 'fdatasync' }]);
    send(1, OPCODE.FLUSH, { seq: 3 });
    executed(frameOf(OPCODE.TRIM, { seq: 4, flags: FLAG.FUA }));
    expect(endTurn()).toEqual([]);
    expect(send(1, OPCODE.HEARTBEAT)).toHaveLength(1); // a long fsync is not death
    expect(synced()).toEqual([replyTo(OPCODE.FLUSH_REPLY, 1), replyTo(OPCODE.WRITE_REPLY, 2)]);
    expect(endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(synced()).toEqual([replyTo(OPCODE.FLUSH_REPLY, 3), replyTo(OPCODE.TRIM_REPLY, 4)]);
    expect(endTurn()).toEqual([]);
  });

  test('fails the replica, when fdatasync fails, and is never tried again', () => {
    const { hello, send, endTurn, synced } = makeReplica();
    hello(1);
    send(1, OPCODE.FLUSH);
    endTurn();
    const [reply, stop] = synced('EIO');
    expect(reply).toEqual(replyTo(OPCODE.FLUSH_REPLY, 1, STATUS.IO_FAILED));
    expect(stop).toMatchObject({ kind: 'stop', isFailure: true });
    expect(send(1, OPCODE.FLUSH)).toEqual([]);
    expect(endTurn()).toEqual([]);
  });

  test('is a bug of ours, when an fdatasync ends that nobody started', () => {
    const { synced } = makeReplica();
    expect(() => synced()).toThrow('an fdatasync was under way');
  });
});

describe('replica end', () => {
  const CLEAN = { kind: 'persist', metadata: expect.objectContaining({ isClean: true }) };

  test('after a goodbye is clean: durable data first, then the marker, then the reply', () => {
    const { hello, send, endTurn, synced } = makeReplica();
    hello(1);
    send(1, OPCODE.WRITE, { seq: 1 });
    send(1, OPCODE.GOODBYE, { seq: 2 });
    expect(endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(synced()).toEqual([CLEAN, replyTo(OPCODE.GOODBYE_REPLY, 2)]);
    expect(send(1, OPCODE.WRITE, { seq: 3 })).toEqual([]);
  });

  test('after a goodbye is not clean, when the copies were never made equal', () => {
    const { hello, send, endTurn, synced } = makeReplica({ isClean: false });
    hello(1);
    send(1, OPCODE.GOODBYE);
    endTurn();
    expect(synced()).toEqual([replyTo(OPCODE.GOODBYE_REPLY)]);
  });

  test('after a goodbye is not clean, when another controller came meanwhile', () => {
    const { hello, send, endTurn, synced } = makeReplica();
    hello(1);
    send(1, OPCODE.GOODBYE);
    endTurn();
    hello(2, { epoch: 7, instanceId: 'i7' });
    expect(synced()).toEqual([]);
  });

  test('by a signal is durable, and clean when no write is open', () => {
    for (const stableSeq of [0, 1]) {
      const { hello, send, step, endTurn, synced } = makeReplica();
      hello(1);
      send(1, OPCODE.WRITE, { seq: 1 });
      send(1, OPCODE.HEARTBEAT, { stableSeq });
      expect(step({ kind: 'shutdown' })).toEqual([]);
      expect(endTurn()).toEqual([{ kind: 'fdatasync' }]);
      expect(send(1, OPCODE.WRITE)).toEqual([]);
      expect(hello(2)[0]).toMatchObject({ refusal: { code: 'UNAVAILABLE' } });
      const stop = { kind: 'stop', isFailure: false, reason: 'asked to stop' };
      expect(synced()).toEqual(stableSeq === 1 ? [CLEAN, stop] : [stop]);
    }
  });

  test('by a signal waits for an fdatasync of its own, and fails when that fails', () => {
    const { hello, send, step, endTurn, synced } = makeReplica();
    hello(1);
    send(1, OPCODE.FLUSH);
    endTurn();
    step({ kind: 'shutdown' });
    expect(endTurn()).toEqual([]);
    expect(kinds(synced())).toEqual(['reply']);
    expect(endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(synced('EIO')).toMatchObject([{ kind: 'stop', isFailure: true }]);
  });
});
