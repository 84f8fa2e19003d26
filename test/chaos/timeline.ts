import { createWriteStream, type WriteStream } from 'node:fs';

/** What happened when, in one file: the first thing to read after a failure. */
export class Timeline {
  readonly path: string;
  readonly #file: WriteStream;
  readonly #startMs = performance.now();

  constructor(path: string) {
    this.path = path;
    this.#file = createWriteStream(path);
  }

  note(text: string): void {
    const seconds = (performance.now() - this.#startMs) / 1000;
    this.#file.write(`${seconds.toFixed(3).padStart(9)}  ${text}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#file.end(resolve));
  }
}
