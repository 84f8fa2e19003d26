import { KeelsonError } from '../../../../replica/common/errors.ts';
import { IdleMemory } from '../../../../replica/common/idle-memory.ts';
import { type Lz4, loadLz4Napi } from '../../../../replica/common/lz4.ts';
import { Replica } from '../../../../replica/core/replica.ts';
import type { DataFile } from '../../../../replica/io/data-file.ts';
import { type Link, ReplicaDriver, type StopEffect } from '../../../../replica/io/driver.ts';
import { makeCounters } from '../../../../replica/io/metrics.ts';
import { SendArena } from '../../../../replica/io/send-arena.ts';
import { FLAG, OPCODE, type Opcode, STATUS } from '../../../../replica/protocol/constants.ts';
import { type Frame, NO_PAYLOAD } from '../../../../replica/protocol/frame.ts';
import { FrameDecoder } from '../../../../replica/protocol/frame-decoder.ts';

const SIZE = 1024 * 1024;
const HELLO = {
  ...{ protocolVersion: 1, volumeId: 'v1', replicaId: 'r1', dataId: null },
  ...{ epoch: 1, instanceId: 'i1', nonce: 'n' },
};
const METADATA = {
  ...{ volumeId: 'v1', replicaId: 'r1', dataId: 'd1', sizeBytes: SIZE, epoch: 0 },
  ...{ instanceId: null, session: 0, isClean: true, isPristine: true },
};

let lz4: Lz4;
beforeAll(async () => {
  lz4 = await loadLz4Napi();
});

/** A replica in memory that notes what reaches the disk, with a disk that fails on demand. */
function makeDriver() {
  const bytes = Buffer.alloc(SIZE);
  const disk: string[] = [];
  const replies: Frame[][] = [];
  let failure: Error | undefined;
  let finishSync: ((error: Error | null) => void) | undefined;
  let stop: StopEffect | undefined;
  const dataFile: DataFile = {
    readInto(target, offset) {
      if (failure !== undefined) throw failure;
      bytes.copy(target, 0, offset);
    },
    write(source, offset) {
      if (failure !== undefined) throw failure;
      disk.push(`write ${offset} ${source.length}`);
      source.copy(bytes, offset);
    },
    trim: (offset, length) => void bytes.fill(0, offset, offset + length),
    fdatasync(done) {
      disk.push('fdatasync');
      finishSync = done;
    },
    allocatedBytes: () => 0,
    close: () => undefined,
  };
  const silent = () => undefined;
  const driver = new ReplicaDriver({
    ...{ dataFile, lz4, counters: makeCounters(), observeFsync: silent },
    replica: new Replica(METADATA, 'boot'),
    metadataFile: {
      write({ isPristine }) {
        if (failure !== undefined) throw failure;
        disk.push(`persist pristine=${isPristine}`);
      },
      close: silent,
    },
    clock: { nowMs: () => 0 },
    idleMemory: new IdleMemory(silent),
    log: { info: silent, warn: silent, error: silent },
    onStop: (effect) => {
      stop = effect;
    },
  });
  const arena = new SendArena();
  const link: Link & { closedFor: string | undefined } = {
    ...{ id: 1, arena, closedFor: undefined, welcome: silent, refuse: silent },
    flush() {
      const decoder = new FrameDecoder();
      const frames: Frame[] = [];
      for (const part of arena.take()) decoder.push(part, frames);
      if (frames.length > 0) replies.push(frames);
    },
    close(reason) {
      link.closedFor = reason;
    },
  };
  driver.addLink(link);
  driver.turn({ kind: 'hello', connection: 1, hello: HELLO });
  return {
    ...{ driver, link, disk, replies, bytes },
    turn: (...frames: Frame[]) => driver.turnOfFrames(link, frames),
    failWith: (error: Error | undefined) => {
      failure = error;
    },
    finishSync: (error: Error | null = null) => finishSync?.(error),
    stopEffect: () => stop,
  };
}

let lastSeq = 0;
function request(opcode: Opcode, offset = 0, payload = NO_PAYLOAD, flags = 0): Frame {
  lastSeq += 1;
  const length = opcode === OPCODE.WRITE ? payload.length : 4096;
  return { opcode, flags, status: 0, seq: lastSeq, stableSeq: 0, offset, length, payload };
}

function packedWrite(offset: number, fill: number): Frame {
  const block = Buffer.alloc(4095);
  const payload = block.subarray(0, lz4.compress(Buffer.alloc(4096, fill), block));
  return { ...request(OPCODE.WRITE, offset, payload, FLAG.LZ4), length: 4096 };
}

const statuses = (frames: Frame[] | undefined) => frames?.map((frame) => frame.status);

test('driver, joins neighbouring writes of one turn, raw or packed, and answers each in one send', () => {
  const { turn, disk, replies, bytes } = makeDriver();
  turn(
    packedWrite(0, 1),
    request(OPCODE.WRITE, 4096, Buffer.alloc(4096, 2)),
    packedWrite(8192, 3),
    packedWrite(65536, 4),
  );
  expect(disk).toEqual([
    ...['persist pristine=true', 'persist pristine=false'],
    ...['write 0 12288', 'write 65536 4096'],
  ]);
  expect([0, 4096, 8192, 12288, 65536].map((at) => bytes[at])).toEqual([1, 2, 3, 0, 4]);
  expect(replies.map((frames) => frames.length)).toEqual([4]);
});

test('driver, keeps stream order, when a read stands between two writes of a block', () => {
  const { turn, replies } = makeDriver();
  turn(packedWrite(0, 1), request(OPCODE.READ, 0), packedWrite(0, 2), request(OPCODE.READ, 0));
  const blocks = replies[0]!
    .filter((frame) => frame.opcode === OPCODE.READ_REPLY)
    .map((frame) => {
      const block = Buffer.alloc(4096);
      lz4.decompress(frame.payload, block);
      return block[4095];
    });
  expect(blocks).toEqual([1, 2]);
});

test('driver, sends reads as zero, packed or raw, whichever is smallest', () => {
  const { turn, replies, bytes } = makeDriver();
  bytes.fill(9, 4096, 8192);
  for (let at = 8192; at < 12288; at += 1) bytes[at] = (at * at * 31 + (at >> 3)) & 0xff;
  bytes[16383] = 1; // not zero, at the very end
  turn(...[0, 4096, 8192, 12288].map((offset) => request(OPCODE.READ, offset)));
  turn({ ...request(OPCODE.READ, 16383), length: 1 });
  const flags = replies.flat().map((frame) => frame.flags);
  expect([flags[0], flags[1], flags[3], flags[4]]).toEqual([FLAG.ZERO, FLAG.LZ4, FLAG.LZ4, 0]);
  for (const frame of replies.flat()) expect(frame.payload.length).toBeLessThanOrEqual(4096);
});

test('driver, groups all flushes of a turn into one fdatasync, and those that wait into the next', () => {
  const { turn, disk, replies, finishSync } = makeDriver();
  const fua = request(OPCODE.WRITE, 0, Buffer.alloc(4096, 1), FLAG.FUA);
  turn(fua, request(OPCODE.FLUSH), request(OPCODE.FLUSH));
  turn(request(OPCODE.FLUSH));
  turn(request(OPCODE.FLUSH), request(OPCODE.HEARTBEAT));
  expect(disk.filter((entry) => entry === 'fdatasync')).toHaveLength(1);
  expect(replies.map((frames) => frames[0]!.opcode)).toEqual([OPCODE.HEARTBEAT_REPLY]);
  finishSync();
  expect(replies[1]).toHaveLength(3);
  finishSync();
  expect(replies[2]).toHaveLength(2);
  expect(disk.filter((entry) => entry === 'fdatasync')).toHaveLength(2);
});

test('driver, refuses the writes and goes on, when the file system is full', () => {
  const { turn, failWith, replies, stopEffect } = makeDriver();
  turn(packedWrite(0, 1));
  failWith(new KeelsonError('NO_SPACE', 'full'));
  turn(packedWrite(0, 2), packedWrite(4096, 2));
  failWith(undefined);
  turn(packedWrite(0, 3));
  const { OK, NO_SPACE } = STATUS;
  expect(replies.map(statuses)).toEqual([[OK], [NO_SPACE, NO_SPACE], [OK]]);
  expect(stopEffect()).toBeUndefined();
});

test('driver, answers, stops and does nothing more, when the disk fails', () => {
  for (const frame of [packedWrite(0, 1), request(OPCODE.READ)]) {
    const { turn, failWith, replies, stopEffect, disk } = makeDriver();
    turn(packedWrite(0, 1));
    failWith(new Error('EIO'));
    turn(frame);
    expect(statuses(replies[1])).toEqual([STATUS.IO_FAILED]);
    expect(stopEffect()).toMatchObject({ isFailure: true });
    failWith(undefined);
    const before = disk.length;
    turn(packedWrite(0, 1));
    expect(disk).toHaveLength(before);
  }
});

test('driver, stops before it writes or answers, when the metadata cannot be made durable', () => {
  const { turn, failWith, replies, stopEffect, disk } = makeDriver();
  failWith(new Error('EIO'));
  turn(packedWrite(0, 1));
  expect(stopEffect()).toMatchObject({ isFailure: true, reason: 'write the metadata: EIO' });
  expect(replies).toEqual([]);
  expect(disk).toEqual(['persist pristine=true']);
});

test('driver, stops, when fdatasync fails', () => {
  const { turn, finishSync, replies, stopEffect } = makeDriver();
  turn(request(OPCODE.FLUSH));
  finishSync(new Error('EIO'));
  expect(statuses(replies[0])).toEqual([STATUS.IO_FAILED]);
  expect(stopEffect()).toMatchObject({ isFailure: true, reason: 'fdatasync failed: EIO' });
});

test('driver, closes the connection and drops what follows, when a payload does not decompress', () => {
  const { turn, link, disk } = makeDriver();
  const bad = { ...packedWrite(4096, 2), payload: Buffer.from([0xff, 1, 2, 3]) };
  turn(packedWrite(0, 1), bad, packedWrite(65536, 3));
  expect(link.closedFor).toMatch('protocol violation');
  expect(disk.at(-1)).toBe('write 0 4096');
});
