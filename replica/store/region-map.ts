import { assert } from '../common/assert.ts';
import { crc32c } from '../common/crc32c.ts';
import { REGION_BYTES } from '../common/limits.ts';
import { MAX_GENERATION, regionsOf, STAMP, STAMP_BYTES } from '../protocol/stamps.ts';
import type { Page } from './page.ts';

/**
 * Page of the file `regions`; page p holds the stamps of regions 1022 p to 1022 p + 1021.
 * Little-endian.
 *
 *   offset  size  field
 *        0     4  crc          CRC-32C of bytes 4–4095
 *        4     4  zero         reserved
 *        8  4088  1022 stamps  u32 each; those beyond the end of the volume are 0
 *
 * A page that is all zeros is valid too, so that the file begins as one hole. In a damaged page
 * every stamp counts as UNKNOWN.
 */
export const REGION_PAGE_BYTES = 4096;
const OFFSET = { crc: 0, covered: 4, stamps: 8 } as const;
const PAGE_STAMPS = (REGION_PAGE_BYTES - OFFSET.stamps) / STAMP_BYTES;

/** What memory is taken by: 256 KiB, the stamps of 4 GiB. */
const CHUNK_PAGES = 64;
const CHUNK_STAMPS = CHUNK_PAGES * PAGE_STAMPS;

const ZERO_PAGE = Buffer.alloc(REGION_PAGE_BYTES);

interface Chunk {
  readonly stamps: Uint32Array;
  /** One byte per page: not 0 when it differs from what was handed out last. */
  readonly dirty: Uint8Array;
}

export function regionFileBytes(sizeBytes: number): number {
  return Math.ceil(regionsOf(0, sizeBytes).end / PAGE_STAMPS) * REGION_PAGE_BYTES;
}

/**
 * The stamp of every region of a volume (ADR 0012): the generation that last wrote it. In memory
 * 4 bytes per region of which there is something to say, in chunks made when they are needed.
 * Ranges are bytes of the volume; a region counts as soon as the range touches it.
 */
export class RegionMap {
  #regionCount: number;
  readonly #chunks: (Chunk | undefined)[];
  #dirtyPages: number[] = [];

  constructor(sizeBytes: number) {
    this.#regionCount = regionsOf(0, sizeBytes).end;
    this.#chunks = Array.from({ length: Math.ceil(this.#regionCount / CHUNK_STAMPS) });
  }

  /**
   * Takes over whole pages of the file, the first of which is `firstPage`. Returns how many of them
   * were damaged. Those are UNKNOWN now, and written anew with the next dirty pages.
   */
  load(firstPage: number, pages: Buffer): number {
    assert(pages.length % REGION_PAGE_BYTES === 0, 'pages are loaded whole');
    let damagedCount = 0;
    for (let at = 0; at < pages.length; at += REGION_PAGE_BYTES) {
      if (ZERO_PAGE.compare(pages, at, at + REGION_PAGE_BYTES) === 0) continue;
      const page = firstPage + at / REGION_PAGE_BYTES;
      if (!this.#loadPage(page, pages.subarray(at, at + REGION_PAGE_BYTES))) damagedCount += 1;
    }
    return damagedCount;
  }

  /** The volume is longer; its new regions were never written to. */
  grow(sizeBytes: number): void {
    const at = this.#chunks.length - 1;
    this.#regionCount = regionsOf(0, sizeBytes).end;
    while (this.#chunks.length * CHUNK_STAMPS < this.#regionCount) this.#chunks.push(undefined);
    const last = this.#chunks[at];
    if (last === undefined) return;
    const longer = this.#makeChunk(at);
    longer.stamps.set(last.stamps);
    longer.dirty.set(last.dirty);
    this.#chunks[at] = longer;
  }

  /** A write of this generation is coming. UNKNOWN stays: who can tell what was there before? */
  raise(start: number, end: number, generation: number): void {
    assertGeneration(generation);
    const regions = regionsOf(start, end);
    for (let region = regions.first; region < regions.end; region += 1) {
      const { stamps } = this.#chunkOf(region);
      const index = region % CHUNK_STAMPS;
      if (stamps[index]! < generation) {
        stamps[index] = generation;
        this.#markDirty(region);
      }
    }
  }

  /** Whole regions are as another copy has them: the stamp is its stamp, whatever it was here. */
  assign(start: number, end: number, generation: number): void {
    assertGeneration(generation);
    this.#set(start, end, generation);
  }

  /**
   * Nobody can tell any more what these regions hold compared with other copies. Their pages are
   * saved anew in any case: what a process that was killed left of them may be in the page cache only.
   */
  markUnknown(start: number, end: number): void {
    this.#set(start, end, STAMP.UNKNOWN);
    const regions = regionsOf(start, end);
    for (let at = regions.first; at < regions.end; at += PAGE_STAMPS) this.#markDirty(at);
    this.#markDirty(regions.end - 1);
  }

  /** The highest stamp in the range; UNKNOWN is above every generation. */
  newest(start: number, end: number): number {
    const only = Math.floor(start / REGION_BYTES);
    if (end <= (only + 1) * REGION_BYTES) return this.#stampAt(only); // nearly every read
    let newest: number = STAMP.NEVER;
    const regions = regionsOf(start, end);
    for (let region = regions.first; region < regions.end; region += 1) {
      newest = Math.max(newest, this.#stampAt(region));
    }
    return newest;
  }

  /** One stamp per region. */
  stampsOf(start: number, end: number): number[] {
    const { first, end: endRegion } = regionsOf(start, end);
    return Array.from({ length: endRegion - first }, (_, index) => this.#stampAt(first + index));
  }

  /** The pages that changed since the last call, in file order, as they are now. */
  takeDirtyPages(): Page[] {
    const numbers = this.#dirtyPages.sort((a, b) => a - b);
    this.#dirtyPages = [];
    return numbers.map((page) => {
      const { dirty } = this.#chunks[Math.floor(page / CHUNK_PAGES)]!;
      dirty[page % CHUNK_PAGES] = 0;
      return { offset: page * REGION_PAGE_BYTES, bytes: this.#encodePage(page) };
    });
  }

  #set(start: number, end: number, stamp: number): void {
    const regions = regionsOf(start, end);
    for (let region = regions.first; region < regions.end; region += 1) {
      const { stamps } = this.#chunkOf(region);
      const index = region % CHUNK_STAMPS;
      if (stamps[index] === stamp) continue;
      stamps[index] = stamp;
      this.#markDirty(region);
    }
  }

  #stampAt(region: number): number {
    const chunk = this.#chunks[Math.floor(region / CHUNK_STAMPS)];
    return chunk === undefined ? STAMP.NEVER : chunk.stamps[region % CHUNK_STAMPS]!;
  }

  #chunkOf(region: number): Chunk {
    const at = Math.floor(region / CHUNK_STAMPS);
    const chunk = this.#chunks[at];
    if (chunk !== undefined) return chunk;
    assert(region < this.#regionCount, 'a region of this volume', { region });
    const fresh = this.#makeChunk(at);
    this.#chunks[at] = fresh;
    return fresh;
  }

  #makeChunk(at: number): Chunk {
    const stampCount = Math.min(CHUNK_STAMPS, this.#regionCount - at * CHUNK_STAMPS);
    return { stamps: new Uint32Array(stampCount), dirty: new Uint8Array(CHUNK_PAGES) };
  }

  #markDirty(region: number): void {
    const page = Math.floor(region / PAGE_STAMPS);
    const { dirty } = this.#chunkOf(region);
    const index = page % CHUNK_PAGES;
    if (dirty[index] !== 0) return;
    dirty[index] = 1;
    this.#dirtyPages.push(page);
  }

  /** Returns whether the page was whole. */
  #loadPage(page: number, bytes: Buffer): boolean {
    const first = page * PAGE_STAMPS;
    const end = Math.min(first + PAGE_STAMPS, this.#regionCount);
    assert(first < end, 'a page of this volume', { page });
    if (bytes.readUInt32LE(OFFSET.crc) !== checksum(bytes)) {
      this.markUnknown(first * REGION_BYTES, end * REGION_BYTES);
      return false;
    }
    const stamps = this.#stampsOfPage(first, end);
    for (let index = 0; index < stamps.length; index += 1) {
      stamps[index] = bytes.readUInt32LE(OFFSET.stamps + index * STAMP_BYTES);
    }
    return true;
  }

  #encodePage(page: number): Buffer {
    const first = page * PAGE_STAMPS;
    const end = Math.min(first + PAGE_STAMPS, this.#regionCount);
    const bytes = Buffer.alloc(REGION_PAGE_BYTES);
    const stamps = this.#stampsOfPage(first, end);
    for (let index = 0; index < stamps.length; index += 1) {
      bytes.writeUInt32LE(stamps[index]!, OFFSET.stamps + index * STAMP_BYTES);
    }
    bytes.writeUInt32LE(checksum(bytes), OFFSET.crc);
    return bytes;
  }

  /** A view on the regions of one page, which never lie in two chunks. */
  #stampsOfPage(first: number, end: number): Uint32Array {
    const start = first % CHUNK_STAMPS;
    return this.#chunkOf(first).stamps.subarray(start, start + end - first);
  }
}

function checksum(page: Buffer): number {
  return crc32c(page.subarray(OFFSET.covered));
}

function assertGeneration(generation: number): void {
  assert(generation > STAMP.NEVER && generation <= MAX_GENERATION, 'a generation is a stamp', {
    generation,
  });
}
