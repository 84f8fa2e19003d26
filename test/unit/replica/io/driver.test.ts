import { createHash } from 'node:crypto';
import { KeelsonError } from '../../../../replica/common/errors.ts';
import { IdleMemory } from '../../../../replica/common/idle-memory.ts';
import { type Lz4, loadLz4Napi } from '../../../../replica/common/lz4.ts';
import { Replica } from '../../../../replica/core/replica.ts';
import type { DataFile } from '../../../../replica/io/data-file.ts';
import { type Link, ReplicaDriver, type StopEffect } from '../../../../replica/io/driver.ts';
import { makeCounters } from '../../../../replica/io/metrics.ts';
import { SendArena } from '../../../../replica/io/send-arena.ts';
import type { StoreFiles } from '../../../../replica/io/store-files.ts';
import { FLAG, OPCODE, type Opcode, STATUS } from '../../../../replica/protocol/constants.ts';
import { type Frame, NO_PAYLOAD } from '../../../../replica/protocol/frame.ts';
import { FrameDecoder } from '../../../../replica/protocol/frame-decoder.ts';
import { HotExtents } from '../../../../replica/store/hot-extents.ts';
import { RegionMap } from '../../../../replica/store/region-map.ts';
import { NO_JOURNAL } from '../support/core-harness.ts';

const SIZE = 1024 * 1024;
const R = 65536;
const HELLO = {
  ...{ protocolVersion: 4, volumeId: 'v1', replicaId: 'r1', dataId: null, session: 0 },
  ...{ epoch: 1, instanceId: 'i1', nonce: 'n' },
};
const METADATA = {
  ...{ volumeId: 'v1', replicaId: 'r1', dataId: 'd1', sizeBytes: SIZE, epoch: 0 },
  ...{ instanceId: null, session: 0, bootId: null, mayLackWrites: false, leaseHolders: [] },
  ...{ isPristine: true, attribute: '', journalKept: 0 },
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
  let finishSave: ((error: KeelsonError | null) => void) | undefined;
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
    reserve(offset, length) {
      if (failure !== undefined) throw failure;
      disk.push(`reserve ${offset} ${length}`);
    },
    trim: (offset, length) => void bytes.fill(0, offset, offset + length),
    fdatasync(done) {
      disk.push('fdatasync');
      finishSync = done;
    },
    map: (_offset, length) => Buffer.alloc(length / 4096, 1),
    grow(sizeBytes) {
      if (failure !== undefined) throw failure;
      disk.push(`grow ${sizeBytes}`);
    },
    allocatedBytes: () => 0,
    close: () => undefined,
  };
  const storeFiles: StoreFiles = {
    save(file, pages, done) {
      disk.push(`save ${file} ${pages.length}`);
      finishSave = done;
    },
    note: ({ offset }) => void disk.push(`note ${offset}`),
    grow: (sizeBytes) => void disk.push(`grow the store for ${sizeBytes}`),
    close: () => Promise.resolve(),
  };
  const silent = () => undefined;
  const warnings: string[] = [];
  const driver = new ReplicaDriver({
    ...{ dataFile, storeFiles, lz4, counters: makeCounters(), observeFsync: silent },
    replica: new Replica({
      ...{ metadata: METADATA, bootId: 'boot', journal: NO_JOURNAL },
      ...{ regions: new RegionMap(SIZE), hot: new HotExtents(SIZE) },
    }),
    metadataFile: {
      write({ isPristine }) {
        if (failure !== undefined) throw failure;
        disk.push(`persist pristine=${isPristine}`);
      },
      close: silent,
    },
    clock: { nowMs: () => 0 },
    idleMemory: new IdleMemory(silent),
    log: { info: silent, warn: (message) => warnings.push(message), error: silent },
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
  driver.hello(link, HELLO);
  // The one extent of this volume becomes hot, so that nothing below has to wait for that.
  driver.turnOfFrames(link, [request(OPCODE.MARK)]);
  finishSave!(null);
  disk.length = 0;
  replies.length = 0;
  return {
    ...{ driver, link, disk, replies, bytes, warnings },
    turn: (...frames: Frame[]) => driver.turnOfFrames(link, frames),
    failWith: (error: Error | undefined) => {
      failure = error;
    },
    finishSync: (error: Error | null = null) => finishSync?.(error),
    finishSave: (error: KeelsonError | null = null) => finishSave?.(error),
    stopEffect: () => stop,
  };
}

let lastSeq = 0;
function request(opcode: Opcode, offset = 0, payload = NO_PAYLOAD, flags = 0): Frame {
  lastSeq += 1;
  const length = opcode === OPCODE.WRITE ? payload.length : 4096;
  return {
    ...{ opcode, flags, status: 0, seq: lastSeq, stableSeq: 0, offset, length, generation: 3 },
    payload,
  };
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
  expect(disk).toEqual([...['persist pristine=false', 'write 0 12288', 'write 65536 4096']]);
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
  expect(disk).toEqual([]);
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

test('driver, sends the newest stamp with what is read, and stamps and digests when asked', () => {
  const { turn, replies, bytes } = makeDriver();
  bytes.fill(7, R, R + 100);
  turn({ ...request(OPCODE.MARK, R), generation: 8 }, request(OPCODE.READ, R), {
    ...request(OPCODE.HASHES, 0),
    length: 2 * R,
  });
  const [, read, hashes] = replies[0]!;
  expect(read).toMatchObject({ opcode: OPCODE.READ_REPLY, generation: 8 });
  const digest = (start: number) =>
    createHash('sha256')
      .update(bytes.subarray(start, start + R))
      .digest();
  expect([0, 36].map((at) => hashes!.payload.readUInt32LE(at))).toEqual([3, 8]);
  expect(hashes!.payload.subarray(4, 36)).toEqual(digest(0));
  expect(hashes!.payload.subarray(40, 72)).toEqual(digest(R));
});

test('driver, saves one file after the other, and says when the disk was full', () => {
  const { turn, disk, finishSync, finishSave, replies, stopEffect } = makeDriver();
  turn(packedWrite(0, 1), request(OPCODE.CHECKPOINT));
  finishSync();
  expect(disk.slice(-2)).toEqual(['fdatasync', 'save regions 1']);
  expect(replies).toHaveLength(1);
  finishSave();
  expect(replies[1]).toMatchObject([{ opcode: OPCODE.CHECKPOINT_REPLY, status: STATUS.OK }]);

  turn({ ...packedWrite(0, 1), generation: 4 }, request(OPCODE.CHECKPOINT));
  finishSync();
  finishSave(new KeelsonError('NO_SPACE', 'save regions: the file system is full'));
  expect(stopEffect()).toMatchObject({ isFailure: true, reason: /file system is full/ });
  expect(disk.at(-1)).toBe('save regions 1'); // and nothing was said about lost writes
});

test('driver, complains once of a peer whose requests make no sense', () => {
  const { turn, warnings, replies } = makeDriver();
  turn(request(OPCODE.READ, SIZE), request(OPCODE.WRITE, SIZE, Buffer.alloc(4096)));
  expect(statuses(replies[0])).toEqual([STATUS.INVALID, STATUS.INVALID]);
  expect(warnings).toEqual(['request makes no sense for this volume']);
});

test('driver, is congested, while more waits for the disk than it may hold', () => {
  const { driver, link, turn, finishSync, finishSave } = makeDriver();
  turn({ ...request(OPCODE.HEARTBEAT), stableSeq: lastSeq });
  for (let beat = 0; beat < 5; beat += 1) turn(request(OPCODE.HEARTBEAT));
  finishSync();
  finishSave(); // the stamps; the save that clears the only hot bit is under way now
  const payload = Buffer.alloc(1024 * 1024, 1);
  for (let count = 0; count < 64; count += 1) turn(request(OPCODE.WRITE, 0, payload));
  expect(driver.isCongested).toBe(false);
  turn(request(OPCODE.WRITE, 0, payload));
  expect(driver.isCongested).toBe(true);
  driver.removeLink(link);
  expect(driver.isCongested).toBe(false);
});

test('driver, takes the space, writes down, writes and notes an atomic write, in this order', () => {
  const { turn, disk, replies, finishSave, bytes } = makeDriver();
  const raw = { ...request(OPCODE.WRITE, 0, Buffer.alloc(8192, 5), FLAG.ATOMIC) };
  turn(raw, { ...packedWrite(8192, 6), flags: FLAG.LZ4 | FLAG.ATOMIC }, packedWrite(0, 7));
  const before = ['reserve 0 8192', 'reserve 8192 4096', 'persist pristine=false'];
  expect(disk).toEqual([...before, 'save journal 3']);
  expect(replies).toEqual([]);
  finishSave();
  // The two as one, then the note, and only then what is newer.
  expect(disk.slice(4)).toEqual(['write 0 12288', 'note 0', 'write 0 4096']);
  expect([0, 4096, 8192].map((at) => bytes[at])).toEqual([7, 5, 6]);
  expect(replies.map(statuses)).toEqual([[STATUS.OK, STATUS.OK, STATUS.OK]]);
});

test('driver, closes the connection and writes nothing down, when an atomic payload does not decompress', () => {
  const { turn, link, disk } = makeDriver();
  const payload = Buffer.from([0xff, 1, 2, 3]);
  turn({ ...packedWrite(0, 2), flags: FLAG.LZ4 | FLAG.ATOMIC, payload });
  expect(link.closedFor).toMatch('protocol violation');
  expect(disk).toEqual([]);
});

test('driver, refuses an atomic write, when the file system is full, and writes nothing down', () => {
  const { turn, failWith, replies, disk } = makeDriver();
  failWith(new KeelsonError('NO_SPACE', 'full'));
  turn({ ...packedWrite(0, 2), flags: FLAG.LZ4 | FLAG.ATOMIC });
  expect(replies.map(statuses)).toEqual([[STATUS.NO_SPACE]]);
  expect(disk).toEqual([]);
});
