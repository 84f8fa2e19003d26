import { OPCODE } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import { HotExtents, hotFileBytes } from '../../replica/store/hot-extents.ts';
import {
  type JournalContent,
  makeMark,
  RECORDS_OFFSET,
  readJournal,
} from '../../replica/store/journal-content.ts';
import {
  chooseRecord,
  encodeSlot,
  METADATA_FILE_BYTES,
  type Metadata,
  SLOT_BYTES,
  type StoredRecord,
  slotOffsetOf,
} from '../../replica/store/metadata-record.ts';
import type { StoreFile } from '../../replica/store/page.ts';
import { RECORD_ALIGNMENT } from '../../replica/store/redo-record.ts';
import { RegionMap, regionFileBytes } from '../../replica/store/region-map.ts';
import type { SeededRandom } from '../support/random.ts';
import { blocksOf, decodeBlocks } from './content.ts';
import { DataFile } from './data-file.ts';
import { PageFile } from './page-file.ts';

/** What the metadata take in these tests. */
const USED_SLOT_BYTES = 512;
/** Room for so few records in the journal that one round through it follows the other. */
const JOURNAL_ROOM = RECORDS_OFFSET + 4 * RECORD_ALIGNMENT;

/** Which copy a directory is made for. */
export interface Identity {
  readonly volumeId: string;
  readonly replicaId: string;
  readonly sizeBytes: number;
}

/** What a process finds when it opens a directory. */
export interface Opened {
  readonly metadata: Metadata;
  readonly regions: RegionMap;
  readonly hot: HotExtents;
  readonly journal: JournalContent;
}

/** A copy's directory: its five files, in the formats of the real ones. */
export class Directory {
  readonly data = new DataFile();
  readonly store: Readonly<Record<StoreFile, PageFile>>;
  /** Two slots; each write is durable at once. */
  readonly #slots = Buffer.alloc(METADATA_FILE_BYTES);
  #record: StoredRecord | undefined;
  readonly #identity: Identity;
  /** A damaged slot is written anew with the next record; until then the other one stays whole. */
  #isSlotDamaged = false;

  constructor(identity: Identity, dataId: string) {
    this.#identity = identity;
    const { sizeBytes } = identity;
    this.store = {
      regions: new PageFile(Buffer.alloc(regionFileBytes(sizeBytes))),
      hot: new PageFile(Buffer.alloc(hotFileBytes(sizeBytes))),
      journal: new PageFile(Buffer.alloc(RECORDS_OFFSET)),
    };
    const metadata: Metadata = {
      ...{ ...identity, dataId, epoch: 0, instanceId: null, session: 0, bootId: null },
      ...{ mayLackWrites: false, leaseHolders: [], isPristine: true, attribute: '' },
      journalKept: 0,
    };
    for (const sequence of [0, 1]) this.#writeSlot(metadata, sequence);
  }

  get metadata(): Metadata {
    return this.#newest.metadata;
  }

  get #newest(): StoredRecord {
    this.#record ??= chooseRecord(this.#slots);
    return this.#record;
  }

  /** Whether a process that starts now carries something out again. */
  mustRedo(bootId: string): boolean {
    return readJournal(this.store.journal.bytes, this.metadata, bootId).redo.length > 0;
  }

  /** @param changesLeft the process is killed while it carries the journal out again, after so many */
  open(bootId: string, changesLeft = Number.POSITIVE_INFINITY): Opened {
    const { sizeBytes } = this.metadata;
    const journal = this.#redo(bootId, changesLeft);
    if (this.metadata.mayLackWrites) this.data.writeForsakenAgain();
    const regions = new RegionMap(sizeBytes);
    regions.load(0, this.store.regions.bytes.subarray(0, regionFileBytes(sizeBytes)));
    const hot = new HotExtents(sizeBytes);
    // As the real one: bits that a killed process left in the page cache are made durable first.
    this.store.hot.write({ offset: 0, bytes: this.store.hot.bytes });
    this.store.hot.sync();
    hot.load(this.store.hot.bytes.subarray(0, hotFileBytes(sizeBytes)));
    return { metadata: this.metadata, regions, hot, journal };
  }

  /** As replica/io/redo.ts does it. */
  #redo(bootId: string, changesLeft: number): JournalContent {
    const { journal } = this.store;
    const file = journal.bytes;
    const content = { ...readJournal(file, this.metadata, bootId), room: JOURNAL_ROOM };
    journal.write({ offset: 0, bytes: file.subarray(0, content.end) });
    journal.write({ offset: content.end, bytes: Buffer.alloc(RECORD_ALIGNMENT) });
    journal.sync();
    if (content.redo.length === 0) return content;
    for (const change of content.redo.slice(0, changesLeft)) this.#carryOut(change);
    if (changesLeft === Number.POSITIVE_INFINITY) {
      journal.write(makeMark('carriedOut', content.lastNumber));
    }
    return content;
  }

  #carryOut(change: Frame): void {
    const range = blocksOf(change);
    if (change.opcode === OPCODE.TRIM) this.data.trim(range);
    else this.data.write(range.first, decodeBlocks(change.payload));
  }

  /**
   * Both slots, one after the other.
   * @param isCutShort the process is killed in between
   */
  persist(metadata: Metadata, isCutShort = false): void {
    const { sequence } = this.#newest;
    this.#writeSlot(metadata, sequence + 1);
    if (isCutShort) return;
    this.#writeSlot(metadata, sequence + 2);
    this.#isSlotDamaged = false;
  }

  /** The files are long enough for a volume of so many bytes; the metadata do not say so yet. */
  grow(sizeBytes: number): void {
    this.store.regions.grow(regionFileBytes(sizeBytes));
    this.store.hot.grow(hotFileBytes(sizeBytes));
  }

  losePower(random: SeededRandom): void {
    this.data.losePower(random);
    for (const file of Object.values(this.store)) file.losePower(random);
  }

  /** One bit of one file, while nobody has it open: at most one slot of the metadata. */
  flipBit(random: SeededRandom): string {
    const name = random.pick(['regions', 'hot', 'metadata'] as const);
    if (name === 'metadata') {
      if (this.#isSlotDamaged) return 'no file';
      this.#isSlotDamaged = true;
      // Of what is used of the slots: the rest is never looked at.
      const at = random.below(2) * SLOT_BYTES + random.below(USED_SLOT_BYTES);
      this.#slots[at] = this.#slots[at]! ^ (1 << random.below(8));
      this.#record = undefined;
    } else this.store[name].flipBit(random);
    return name;
  }

  /** All files as they are on the disk now. */
  snapshot(): Directory {
    const copy = new Directory(this.#identity, this.metadata.dataId);
    copy.data.replaceBy(this.data);
    this.#slots.copy(copy.#slots);
    copy.#isSlotDamaged = this.#isSlotDamaged;
    copy.#record = undefined;
    for (const name of ['regions', 'hot', 'journal'] as const) {
      copy.store[name].replaceBy(this.store[name]);
    }
    return copy;
  }

  #writeSlot(metadata: Metadata, sequence: number): void {
    encodeSlot({ metadata, sequence }).copy(this.#slots, slotOffsetOf(sequence));
    this.#record = undefined;
  }
}
