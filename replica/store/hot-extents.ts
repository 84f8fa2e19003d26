import { assert } from '../common/assert.ts';
import { crc32c } from '../common/crc32c.ts';
import { EXTENT_BYTES } from '../common/limits.ts';
import type { ByteRange } from '../common/ranges.ts';
import { MAX_TAIL_RANGES } from '../protocol/hello.ts';
import { joinNearest } from './join-ranges.ts';
import type { Page } from './page.ts';

/**
 * Sector of the file `hot`; sector s holds the bits of extents 4064 s to 4064 s + 4063.
 *
 *   offset  size  field
 *        0     4  crc    CRC-32C of bytes 4–511, little-endian
 *        4   508  bits   extent 8 n + b of the sector is bit b (value 1 << b) of byte 4 + n
 *
 * A sector that is all zeros is valid too. In a damaged sector every extent counts as hot.
 * As long as what a disk writes at once, so that a bit that is being set cannot tear its neighbours.
 */
export const HOT_SECTOR_BYTES = 512;
const BITS_OFFSET = 4;
const SECTOR_EXTENTS = (HOT_SECTOR_BYTES - BITS_OFFSET) * 8;

const ZERO_SECTOR = Buffer.alloc(HOT_SECTOR_BYTES);

export function extentCountOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / EXTENT_BYTES);
}

export function hotFileBytes(sizeBytes: number): number {
  return Math.ceil(extentCountOf(sizeBytes) / SECTOR_EXTENTS) * HOT_SECTOR_BYTES;
}

/**
 * One bit per extent of a volume: it may have been written to since its last checkpoint (ADR 0012).
 * As small as a disk's sector list: 33 KiB per TiB, in memory as in the file.
 */
export class HotExtents {
  #sizeBytes: number;
  #extentCount: number;
  /** As the file would be, but for the checksums. */
  #sectors: Buffer;
  readonly #dirtySectors = new Set<number>();
  #count = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#extentCount = extentCountOf(sizeBytes);
    this.#sectors = Buffer.alloc(hotFileBytes(sizeBytes));
  }

  /** Takes over the whole file. Returns how many sectors were damaged; they are written anew. */
  load(file: Buffer): number {
    assert(file.length === this.#sectors.length, 'the hot file has the length for its volume');
    assert(this.#count === 0, 'loaded before it is used');
    let damagedCount = 0;
    for (let first = 0; first < this.#extentCount; first += SECTOR_EXTENTS) {
      const at = sectorOf(first) * HOT_SECTOR_BYTES;
      const sector = file.subarray(at, at + HOT_SECTOR_BYTES);
      if (sector.equals(ZERO_SECTOR)) continue;
      const isDamaged = sector.readUInt32LE(0) !== checksum(sector);
      if (isDamaged) damagedCount += 1;
      const end = Math.min(first + SECTOR_EXTENTS, this.#extentCount);
      for (let extent = first; extent < end; extent += 1) {
        if (isDamaged || readBit(file, extent)) this.set(extent);
      }
      if (!isDamaged) this.#dirtySectors.delete(sectorOf(first));
    }
    return damagedCount;
  }

  get extentCount(): number {
    return this.#extentCount;
  }

  /** The volume is longer; its new extents are cold. */
  grow(sizeBytes: number): void {
    const longer = Buffer.alloc(hotFileBytes(sizeBytes));
    this.#sectors.copy(longer);
    this.#sectors = longer;
    this.#sizeBytes = sizeBytes;
    this.#extentCount = extentCountOf(sizeBytes);
  }

  /** How many are hot. */
  get count(): number {
    return this.#count;
  }

  isHot(extent: number): boolean {
    return readBit(this.#sectors, extent);
  }

  set(extent: number): void {
    assert(extent < this.#extentCount, 'an extent of this volume', { extent });
    if (this.isHot(extent)) return;
    this.#flip(extent);
    this.#count += 1;
  }

  clear(extent: number): void {
    if (!this.isHot(extent)) return;
    this.#flip(extent);
    this.#count -= 1;
  }

  /** All that are hot, lowest first. */
  extents(): number[] {
    const found: number[] = [];
    if (this.#count === 0) return found;
    for (let extent = 0; extent < this.#extentCount; extent += 1) {
      // A byte of zeros is eight extents that are not hot.
      if (extent % 8 === 0 && this.#sectors[byteOf(extent)] === 0) extent += 7;
      else if (this.isHot(extent)) found.push(extent);
    }
    return found;
  }

  /** The bytes of the hot extents; joined where they are more than a welcome carries. */
  ranges(): readonly ByteRange[] {
    const ranges: { start: number; end: number }[] = [];
    for (const extent of this.extents()) {
      const start = extent * EXTENT_BYTES;
      const end = Math.min(start + EXTENT_BYTES, this.#sizeBytes);
      const last = ranges.at(-1);
      if (last?.end === start) last.end = end;
      else ranges.push({ start, end });
    }
    return joinNearest(ranges, MAX_TAIL_RANGES);
  }

  /** The sectors that changed since the last call, in file order, as they are now. */
  takeDirtySectors(): Page[] {
    const numbers = [...this.#dirtySectors].sort((a, b) => a - b);
    this.#dirtySectors.clear();
    return numbers.map((sector) => {
      const offset = sector * HOT_SECTOR_BYTES;
      const bytes = Buffer.from(this.#sectors.subarray(offset, offset + HOT_SECTOR_BYTES));
      bytes.writeUInt32LE(checksum(bytes), 0);
      return { offset, bytes };
    });
  }

  #flip(extent: number): void {
    const at = byteOf(extent);
    this.#sectors[at] = this.#sectors[at]! ^ (1 << (extent % 8));
    this.#dirtySectors.add(sectorOf(extent));
  }
}

function sectorOf(extent: number): number {
  return Math.floor(extent / SECTOR_EXTENTS);
}

/** SECTOR_EXTENTS is a multiple of 8, so bit b of a byte is always extent b modulo 8. */
function byteOf(extent: number): number {
  const index = extent % SECTOR_EXTENTS;
  return sectorOf(extent) * HOT_SECTOR_BYTES + BITS_OFFSET + Math.floor(index / 8);
}

function readBit(sectors: Buffer, extent: number): boolean {
  return (sectors[byteOf(extent)]! & (1 << (extent % 8))) !== 0;
}

function checksum(sector: Buffer): number {
  return crc32c(sector.subarray(BITS_OFFSET));
}
