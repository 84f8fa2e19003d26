import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../replica/common/assert.ts';
import { isDiskFull, KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';
import { decodeSlot, encodeSlot, type Slot } from './slot-file.ts';

export const SLOT_NAMES = ['state.a', 'state.b'] as const;

/** Contains secrets. */
const MODE = 0o600;

/**
 * The orchestrator's durable memory: two slot files, of which the one with the higher generation
 * counts. A write goes to the other one and is fsynced, so a crash at any moment leaves at least
 * one whole slot.
 */
export class StateFile {
  readonly #root: string;
  #current: Slot;
  /** The slot file that holds `#current`. */
  #slotIndex: number;
  /** Why nothing can be trusted any more; see `write`. */
  #failure: KeelsonError | undefined;

  private constructor(root: string, current: Slot, slotIndex: number) {
    this.#root = root;
    this.#current = current;
    this.#slotIndex = slotIndex;
  }

  /**
   * Opens the state under `root`; `initialJson` is stored when there is none yet.
   *
   * Errors: CORRUPT when both slots are damaged; IO_FAILED.
   */
  static async open(root: string, initialJson: string): Promise<StateFile> {
    const slots = await Promise.all(SLOT_NAMES.map((name) => readSlot(join(root, name))));
    const [a, b] = slots;
    assert(a !== undefined && b !== undefined, 'there are two slots');
    if (a.slot === undefined && b.slot === undefined) {
      // Only the very first write leaves no second file: nothing was stored before it finished.
      if (b.exists) throw bothDamaged(root);
      return StateFile.#create(root, initialJson);
    }
    const isA = (a.slot?.generation ?? -1) > (b.slot?.generation ?? -1);
    const slot = isA ? a.slot : b.slot;
    assert(slot !== undefined, 'the newer slot is readable');
    return new StateFile(root, slot, isA ? 0 : 1);
  }

  get json(): string {
    return this.#current.json;
  }

  /** Throws when an earlier write failed in a way that leaves unknown what is on the disk. */
  checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Durable when it resolves. One at a time, as the caller sees to.
   *
   * Errors: NO_SPACE, nothing has changed; IO_FAILED, and the same for everything after it: a
   * failed fsync is not retried, because nobody knows what it left on the disk.
   */
  async write(json: string): Promise<void> {
    this.checkUsable();
    const slot = { generation: this.#current.generation + 1, json };
    const slotIndex = 1 - this.#slotIndex;
    try {
      await writeSlot(join(this.#root, SLOT_NAMES[slotIndex] ?? ''), slot);
    } catch (cause) {
      if (cause instanceof KeelsonError && cause.code === 'NO_SPACE') throw cause;
      this.#failure = new KeelsonError(
        'IO_FAILED',
        `store the state in ${this.#root}: ${messageOf(cause)}; restart the orchestrator when the disk is well`,
        { cause },
      );
      throw this.#failure;
    }
    this.#current = slot;
    this.#slotIndex = slotIndex;
  }

  /** Writes both slots, so that later a missing or damaged pair can only mean damage. */
  static async #create(root: string, json: string): Promise<StateFile> {
    const state = new StateFile(root, { generation: 0, json }, 1);
    await state.write(json);
    await state.write(json);
    const directory = await open(root, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
    return state;
  }
}

async function readSlot(path: string): Promise<{ exists: boolean; slot: Slot | undefined }> {
  try {
    return { exists: true, slot: decodeSlot(await readFile(path)) };
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') return { exists: false, slot: undefined };
    throw new KeelsonError('IO_FAILED', `read ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function writeSlot(path: string, slot: Slot): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'w', MODE);
    await writeAll(file, path, encodeSlot(slot));
    await file.sync();
  } finally {
    await file?.close();
  }
}

/** A short write leaves a slot that no reader takes for whole, so running out of space is safe. */
async function writeAll(file: FileHandle, path: string, bytes: Buffer): Promise<void> {
  try {
    await file.writeFile(bytes);
  } catch (cause) {
    if (!isDiskFull(cause)) throw cause;
    throw new KeelsonError('NO_SPACE', `store ${path}: no space is left`, { cause });
  }
}

function bothDamaged(root: string): KeelsonError {
  return new KeelsonError(
    'CORRUPT',
    `read the state in ${root}: expected ${SLOT_NAMES.join(' or ')} to be whole, both are damaged; ` +
      'restore one of them from a backup, the data of the copies is untouched',
  );
}
