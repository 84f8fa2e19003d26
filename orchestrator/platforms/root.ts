import { mkdirSync } from 'node:fs';
import { assert } from '../../replica/common/assert.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import { openToken } from '../api/token-file.ts';
import { Registry } from '../registry/registry.ts';
import { lockRoot } from '../registry/root-lock.ts';
import type { Records } from './platform-kind.ts';

/** The directory of an installation whose registry is a file, for the one orchestrator that has it. */
export class Root {
  readonly #path: string;
  #lock: { release(): void } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes it if need be, and takes it, so that nothing is touched twice. Errors: IN_USE, IO_FAILED. */
  async open(): Promise<void> {
    makeDirectory(this.#path);
    this.#lock = lockRoot(this.#path);
  }

  /**
   * @param names of a new installation's nodes
   * @param nodes as they are to be from now on; undefined: as last time
   *
   * Errors: CORRUPT, IO_FAILED, FAILED_PRECONDITION (fewer nodes than hold copies).
   */
  async readRecords(
    names: readonly string[],
    nodes: readonly string[] | undefined,
  ): Promise<Records> {
    assert(this.#lock !== undefined, 'a root is taken before it is read');
    const registry = await Registry.open(this.#path, names);
    if (nodes !== undefined) await registry.setNodes(nodes);
    return { registry, token: openToken(this.#path) };
  }

  async close(): Promise<void> {
    this.#lock?.release();
    this.#lock = undefined;
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new KeelsonError(
      'IO_FAILED',
      `create ${path}: ${messageOf(cause)}; choose another directory with --data`,
      { cause },
    );
  }
}
