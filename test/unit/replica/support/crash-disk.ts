import type { StoreFile } from '../../../../replica/store/page.ts';

/** The journal is played elsewhere (crash-journal.test.ts). */
type MapFile = Exclude<StoreFile, 'journal'>;

const SECTOR_BYTES = 512;

/** One file as the page cache shows it and as stable storage has it. */
interface TwoFold {
  readonly cached: Buffer;
  readonly durable: Buffer;
}

/**
 * The disk of one copy: its two store files byte by byte, its data as one number per region, which
 * stands for the bytes there. Only `sync` moves what is cached to stable storage for certain.
 */
export class CrashDisk {
  readonly #files: Readonly<Record<MapFile, TwoFold>>;
  readonly #data: { readonly cached: number[]; readonly durable: number[] };

  constructor(bytes: Readonly<Record<MapFile, number>>, regionCount: number) {
    const twoFold = (length: number) => ({
      ...{ cached: Buffer.alloc(length), durable: Buffer.alloc(length) },
    });
    this.#files = { regions: twoFold(bytes.regions), hot: twoFold(bytes.hot) };
    const zeros = () => Array.from({ length: regionCount }, () => 0);
    this.#data = { cached: zeros(), durable: zeros() };
  }

  clone(): CrashDisk {
    const { regions, hot } = this.#files;
    const bytes = { regions: regions.cached.length, hot: hot.cached.length };
    const copy = new CrashDisk(bytes, this.#data.cached.length);
    for (const file of ['regions', 'hot'] as const) {
      this.#files[file].cached.copy(copy.#files[file].cached);
      this.#files[file].durable.copy(copy.#files[file].durable);
    }
    for (const side of ['cached', 'durable'] as const) {
      for (const [region, content] of this.#data[side].entries())
        copy.#data[side][region] = content;
    }
    return copy;
  }

  /** As a process sees it. */
  read(file: MapFile): Buffer {
    return Buffer.from(this.#files[file].cached);
  }

  get data(): readonly number[] {
    return [...this.#data.cached];
  }

  write(file: MapFile, bytes: Buffer, offset: number): void {
    bytes.copy(this.#files[file].cached, offset);
  }

  change(region: number, content: number): void {
    this.#data.cached[region] = content;
  }

  sync(file: MapFile): void {
    const { cached, durable } = this.#files[file];
    cached.copy(durable);
  }

  /** What an fdatasync that begins now makes durable, once it is over. */
  beginDataSync(): () => void {
    const begun = [...this.#data.cached];
    return () => {
      for (const [region, content] of begun.entries()) this.#data.durable[region] = content;
    };
  }

  /** Of what was not synced, any part may have reached stable storage: sector by sector. */
  losePower(random: () => number): void {
    for (const { cached, durable } of Object.values(this.#files)) {
      for (let at = 0; at < cached.length; at += SECTOR_BYTES) {
        const from = random() < 0.5 ? cached : durable;
        from.copy(durable, at, at, at + SECTOR_BYTES);
        durable.copy(cached, at, at, at + SECTOR_BYTES);
      }
    }
    const { cached, durable } = this.#data;
    for (let region = 0; region < cached.length; region += 1) {
      if (random() < 0.5) durable[region] = cached[region]!;
      cached[region] = durable[region]!;
    }
  }
}
