import type { Channel } from './terminal.ts';

const CLEAR_BELOW = '\x1b[J';

/** Lines that stay, and a table below them that is replaced. */
export class Screen {
  readonly #channel: Channel;
  #table = '';

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  print(line: string): void {
    this.#channel.write(`${this.#goAbove()}${line}${this.#table}`);
  }

  draw(table: string): void {
    this.#channel.write(`${this.#goAbove()}${table}`);
    this.#table = table;
  }

  #goAbove(): string {
    const lineCount = this.#table.split('\n').length - 1;
    return lineCount === 0 ? '' : `\x1b[${lineCount}F${CLEAR_BELOW}`;
  }
}
