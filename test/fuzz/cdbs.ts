import { COMMANDS } from '../../controller/scsi/command-table.ts';
import { makeUnitDesignators } from '../../controller/scsi/designators.ts';
import { LOGICAL_BLOCK_BYTES } from '../../controller/scsi/limits.ts';
import type { DeviceIdentity } from '../../controller/scsi/logical-unit.ts';
import { TARGET_NAME } from '../support/initiator-pdus.ts';
import type { SeededRandom } from '../support/random.ts';
import { edgeNumber } from './mutate.ts';

/** The device that the commands are for. */
export const IDENTITY: DeviceIdentity = {
  ...{ sizeBytes: 8 * 1024 ** 2, serial: '01234567-89ab-cdef-0123-456789abcdef', revision: '0001' },
  ...{ targetName: TARGET_NAME, allowsSanitize: true },
};

export interface AnyCommand {
  readonly cdb: Buffer;
  readonly dataOut: Buffer;
}

const INQUIRY = 0x12;
const VPD_PAGES = [0x00, 0x80, 0x83, 0x86, 0x8f, 0xb0, 0xb1, 0xb2] as const;
const MAX_DATA_BYTES = 16 * LOGICAL_BLOCK_BYTES;

/** Parameter lists that get further than random bytes do, by operation code. */
const LISTS: Readonly<Record<number, (random: SeededRandom) => Buffer>> = {
  66: unmapList,
  85: (random) => Buffer.concat([Buffer.alloc(8), modePage(random)]),
  21: (random) => Buffer.concat([Buffer.alloc(4), modePage(random)]),
  95: reservationList,
  131: copyList,
  72: (random) => Buffer.concat([Buffer.from([random.below(32), 0, 0, 4]), random.bytes(4)]),
};

/** A command of the table: the fields that it looks at are mostly small or at an edge. */
export function anyCommand(random: SeededRandom): AnyCommand {
  const blockCount = IDENTITY.sizeBytes / LOGICAL_BLOCK_BYTES;
  const spec = random.pick(COMMANDS);
  const { usage, opcode, serviceAction } = spec;
  const cdb = Buffer.alloc(Math.max(16, usage.length));
  let lastNumber = 0;
  for (let at = 1; at < usage.length; ) {
    let end = at;
    while (usage[end] === 0xff && end - at < 8) end += 1;
    if (end - at >= 2) {
      lastNumber = writeNumber(cdb, at, end - at, random, blockCount);
      at = end;
    } else {
      if (usage[at] === 0xff) lastNumber = random.below(9);
      cdb[at] = usage[at] === 0xff ? lastNumber : anyBits(usage[at]!, random);
      at += 1;
    }
  }
  cdb[0] = opcode;
  if (serviceAction !== undefined) cdb[1] = serviceAction;
  if (opcode === INQUIRY && random.chance(0.7)) cdb.set([1, random.pick(VPD_PAGES)], 1);
  if (random.chance(0.05)) cdb[random.below(16)] = random.below(256);
  const list = LISTS[opcode]?.(random);
  if (list === undefined) return { cdb, dataOut: anyData(random, lastNumber) };
  writeListLength(cdb, usage, list.length);
  return { cdb, dataOut: random.chance(0.9) ? list : list.subarray(0, random.below(list.length)) };
}

function anyBits(mask: number, random: SeededRandom): number {
  return random.chance(0.6) ? 0 : random.below(256) & mask;
}

/** Small, or at the end of the volume, or at an edge of what fits. Returns what was written. */
function writeNumber(
  cdb: Buffer,
  at: number,
  bytes: number,
  random: SeededRandom,
  blockCount: number,
): number {
  const tail = at + Math.max(0, bytes - 4);
  const width = Math.min(bytes, 4) as 2 | 3 | 4;
  let value = random.below(20);
  if (random.chance(0.2)) value = (blockCount - 8 + random.below(16)) % 2 ** (8 * width);
  if (random.chance(0.1)) value = edgeNumber(random, width);
  if (bytes > 4 && random.chance(0.05)) cdb.writeUInt32BE(edgeNumber(random, 4), at);
  cdb.writeUIntBE(value, tail, width);
  return value;
}

/** The last run of bytes that are all used: where every command has its length. */
function writeListLength(cdb: Buffer, usage: Buffer, length: number): void {
  let end = usage.length - 1;
  while (end > 1 && usage[end] !== 0xff) end -= 1;
  let start = end;
  while (start > 1 && usage[start - 1] === 0xff && end - start < 3) start -= 1;
  const width = end - start + 1;
  cdb.writeUIntBE(length % 2 ** (8 * width), start, width);
}

/** As many blocks as the command says, or not. */
function anyData(random: SeededRandom, blocks: number): Buffer {
  if (random.chance(0.2)) return random.bytes(random.below(100));
  const bytes = Math.min(MAX_DATA_BYTES, blocks * LOGICAL_BLOCK_BYTES * (1 + random.below(2)));
  // Zeros are what the volume holds at first, so that comparing finds them equal.
  return random.chance(0.6) ? Buffer.alloc(bytes) : Buffer.alloc(bytes, 1 + random.below(255));
}

function unmapList(random: SeededRandom): Buffer {
  const descriptors = Array.from({ length: random.below(4) }, () => {
    const descriptor = Buffer.alloc(16);
    descriptor.writeUInt32BE(random.chance(0.9) ? 0 : edgeNumber(random, 4), 0);
    descriptor.writeUInt32BE(random.chance(0.8) ? random.below(64) : edgeNumber(random, 4), 4);
    descriptor.writeUInt32BE(random.chance(0.8) ? random.below(64) : edgeNumber(random, 4), 8);
    return descriptor;
  });
  const header = Buffer.alloc(8);
  const bytes = descriptors.length * 16;
  header.writeUInt16BE(random.chance(0.9) ? bytes + 6 : edgeNumber(random, 2), 0);
  header.writeUInt16BE(random.chance(0.9) ? bytes : edgeNumber(random, 2), 2);
  return Buffer.concat([header, ...descriptors]);
}

function modePage(random: SeededRandom): Buffer {
  const page = Buffer.alloc(random.pick([2, 12, 20]));
  page[0] = random.pick([0x08, 0x0a, 0x1c, 0x01, 0x4a]);
  page[1] = page.length - 2;
  for (let left = random.below(4); left > 0; left -= 1) {
    page[random.below(page.length)] = random.below(256);
  }
  return page;
}

/** Keys out of few, so that registrations meet (SPC-4 6.16.3); now and then with TransportIDs. */
function reservationList(random: SeededRandom): Buffer {
  const list = Buffer.alloc(24);
  list[7] = random.below(4);
  list[15] = random.below(4);
  list[20] = random.pick([0, 0, 0x01, 0x04, 0x05, 0x08, 0x0d, 0xff]);
  if (random.chance(0.7)) return list;
  const name = Buffer.from('iqn.2026-01.io.keelson:b,i,0x00023d000000\0\0\0');
  const transportId = Buffer.concat([Buffer.from([0x45, 0, 0, name.length]), name]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(random.chance(0.8) ? transportId.length : edgeNumber(random, 4));
  return Buffer.concat([list, length, transportId]);
}

const PROUT = { RESERVE: 1, RELEASE: 2, PREEMPT: 4, PREEMPT_AND_ABORT: 5, IGNORE: 6, MOVE: 7 };

/**
 * What initiators do that share a unit: each registers with a key of its own, then reserves,
 * releases, preempts and moves; commands of the table come in between.
 */
export function reservationStory(
  random: SeededRandom,
  initiators: number,
): (AnyCommand & { readonly initiator: number })[] {
  const registrations = Array.from({ length: initiators }, (_, initiator) => [
    // TEST UNIT READY takes the unit attention of the login.
    { initiator, cdb: Buffer.alloc(16), dataOut: Buffer.alloc(0) },
    persistentOut(initiator, PROUT.IGNORE, { newKey: 1 + initiator, random }),
  ]).flat();
  const actions = Array.from({ length: 1 + random.below(6) }, () => {
    const initiator = random.below(initiators);
    if (random.chance(0.3)) return { initiator, ...anyCommand(random) };
    const newKey = random.below(4);
    const fields = { key: 1 + initiator, newKey, random };
    return persistentOut(initiator, random.pick(Object.values(PROUT)), fields);
  });
  return [...registrations, ...actions];
}

function persistentOut(
  initiator: number,
  action: number,
  { key = 0, newKey, random }: { key?: number; newKey: number; random: SeededRandom },
): AnyCommand & { initiator: number } {
  const cdb = Buffer.alloc(16);
  const dataOut = reservationList(random);
  cdb[0] = 0x5f;
  cdb[1] = action;
  cdb[2] = random.pick([1, 3, 5, 6, 7, 8]);
  cdb.writeUInt32BE(dataOut.length, 5);
  dataOut[7] = key;
  dataOut[15] = newKey;
  if (action === PROUT.MOVE) dataOut[17] = random.below(4);
  else dataOut[20] = random.below(2);
  return { initiator, cdb, dataOut: action === PROUT.MOVE ? dataOut : dataOut.subarray(0, 24) };
}

/** EXTENDED COPY (LID1): a target descriptor by its identification, block to block (SPC-4 6.4). */
function copyList(random: SeededRandom): Buffer {
  const header = Buffer.alloc(16);
  const target = Buffer.alloc(32);
  target[0] = 0xe4;
  const [designator = Buffer.alloc(0)] = makeUnitDesignators(IDENTITY);
  designator.copy(target, 4);
  target.writeUIntBE(LOGICAL_BLOCK_BYTES, 29, 3);
  const segments = Array.from({ length: random.below(3) }, () => {
    const segment = Buffer.alloc(28);
    segment[0] = random.pick([0x02, 0x02, 0x0b, 0x77]);
    segment.writeUInt16BE(24, 2);
    segment.writeUInt16BE(random.chance(0.8) ? random.below(32) : edgeNumber(random, 2), 10);
    segment.writeUInt32BE(random.chance(0.9) ? random.below(64) : edgeNumber(random, 4), 16);
    segment.writeUInt32BE(random.chance(0.9) ? random.below(64) : edgeNumber(random, 4), 24);
    return segment;
  });
  header.writeUInt16BE(random.chance(0.9) ? target.length : edgeNumber(random, 2), 2);
  header.writeUInt32BE(random.chance(0.9) ? segments.length * 28 : edgeNumber(random, 4), 8);
  return Buffer.concat([header, target, ...segments]);
}
