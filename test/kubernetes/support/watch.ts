import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { exitOf } from '../../support/child.ts';

const AGAIN_MS = 500;

/** `kubectl get --watch`: tells of every object now and whenever it changes, until it is stopped. */
export class Watch<T> {
  readonly #words: readonly string[];
  readonly #onObject: (object: T) => void;
  readonly #loop: Promise<void>;
  #child: ChildProcess | undefined;
  #isStopped = false;

  constructor(what: readonly string[], onObject: (object: T) => void) {
    this.#words = ['get', ...what, '--watch', '-o', 'json'];
    this.#onObject = onObject;
    this.#loop = this.#follow();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#child?.kill('SIGKILL');
    await this.#loop;
  }

  /** A watch ends when the server does, or when it was silent for too long. */
  async #follow(): Promise<void> {
    while (!this.#isStopped) {
      const child = spawn('kubectl', this.#words, { stdio: ['ignore', 'pipe', 'ignore'] });
      this.#child = child;
      let lines: string[] = [];
      let rest = '';
      child.stdout.on('data', (chunk: Buffer) => {
        const parts = (rest + chunk.toString()).split('\n');
        rest = parts.pop() ?? '';
        for (const line of parts) {
          lines.push(line);
          if (line !== '}') continue; // kubectl indents everything inside
          const object = JSON.parse(lines.join('\n')) as T & { readonly kind?: string };
          lines = [];
          // The server's word on why this watch ends; the next one begins with all there is.
          if (object.kind !== 'Status') this.#onObject(object);
        }
      });
      await exitOf(child);
      if (!this.#isStopped) await pause(AGAIN_MS);
    }
  }
}
