import type { SeededRandom } from '../support/random.ts';
import { SECTOR_BYTES } from './content.ts';

interface Page {
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * A file of checksummed pages, as the region map, the hot extents and the journal are kept in. Its
 * pages go to the page cache and are then made durable; a power loss in between keeps any of their sectors.
 */
export class PageFile {
  #cached: Buffer;
  #durable: Buffer;
  readonly #dirtySectors = new Set<number>();

  constructor(bytes: Buffer) {
    this.#cached = Buffer.from(bytes);
    this.#durable = Buffer.from(bytes);
  }

  /** What a process that opens the file reads. */
  get bytes(): Buffer {
    return Buffer.from(this.#cached);
  }

  write({ offset, bytes }: Page): void {
    const end = offset + bytes.length;
    if (end > this.#cached.length) this.grow(Math.ceil(end / SECTOR_BYTES) * SECTOR_BYTES);
    bytes.copy(this.#cached, offset);
    const firstSector = Math.floor(offset / SECTOR_BYTES);
    for (let sector = firstSector; sector * SECTOR_BYTES < end; sector += 1) {
      this.#dirtySectors.add(sector);
    }
  }

  sync(): void {
    for (const sector of this.#dirtySectors) this.#keep(sector);
    this.#dirtySectors.clear();
  }

  /** An fdatasync that fails: some sectors are written, the others are forgotten as if they were. */
  failSync(random: SeededRandom): void {
    for (const sector of this.#dirtySectors) if (random.chance(0.5)) this.#keep(sector);
    this.#dirtySectors.clear();
    this.#durable.copy(this.#cached);
  }

  losePower(random: SeededRandom): void {
    this.failSync(random);
  }

  /** A bit of a file at rest changes. */
  flipBit(random: SeededRandom): void {
    const at = random.below(this.#durable.length);
    const bit = 1 << random.below(8);
    for (const bytes of [this.#cached, this.#durable]) bytes[at] = bytes[at]! ^ bit;
  }

  /** Takes over all of another one. */
  replaceBy(other: PageFile): void {
    this.#cached = Buffer.from(other.#cached);
    this.#durable = Buffer.from(other.#cached);
    this.#dirtySectors.clear();
  }

  /** Longer by zeros, durably. */
  grow(length: number): void {
    const more = Buffer.alloc(Math.max(0, length - this.#cached.length));
    this.#cached = Buffer.concat([this.#cached, more]);
    this.#durable = Buffer.concat([this.#durable, more]);
  }

  #keep(sector: number): void {
    const start = sector * SECTOR_BYTES;
    this.#cached.copy(this.#durable, start, start, start + SECTOR_BYTES);
  }
}
