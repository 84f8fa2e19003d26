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
    const rowCount = this.#countRows();
    return rowCount === 0 ? '' : `\x1b[${rowCount}F${CLEAR_BELOW}`;
  }

  /** A line that is too long for the terminal takes several rows. */
  #countRows(): number {
    const { columns = Infinity } = this.#channel;
    const lines = this.#table.split('\n').slice(0, -1);
    return lines.reduce((rows, { length }) => rows + Math.max(1, Math.ceil(length / columns)), 0);
  }
}
