import { randomBytes } from 'node:crypto';
import { parseJson } from '../../replica/common/validate.ts';
import { MAX_SLOTS } from '../model/layout.ts';
import { nameNodes } from '../model/node.ts';
import { decodeState, encodeState, type State } from './state.ts';
import { StateFile } from './state-file.ts';
import type { StateStore } from './state-store.ts';

/** The state in the orchestrator's own file, which nobody else changes. */
export class FileStore implements StateStore {
  readonly #file: StateFile;
  #state: State;

  private constructor(file: StateFile) {
    this.#file = file;
    this.#state = decodeState(parseJson(file.json, 'state'));
  }

  /**
   * Opens the state under `root`; a new installation has these nodes.
   *
   * Errors: CORRUPT, IO_FAILED.
   */
  static async open(root: string, defaultNodes: readonly string[]): Promise<FileStore> {
    const empty = encodeState({
      installationId: randomBytes(16).toString('hex'),
      nodes: nameNodes([], defaultNodes),
      volumes: new Map(),
      faults: new Map(),
      rules: [],
      startedInstances: [],
    });
    return new FileStore(await StateFile.open(root, empty));
  }

  /** One octet of an address. */
  get slotLimit(): number {
    return MAX_SLOTS;
  }

  get state(): State {
    return this.#state;
  }

  async write(_before: State, after: State): Promise<void> {
    await this.#file.write(encodeState(after));
    this.#state = after;
  }

  async refresh(): Promise<void> {
    // Nobody knows better.
  }

  checkUsable(): void {
    this.#file.checkUsable();
  }

  subscribe(): void {
    // There is no somebody else.
  }
}
