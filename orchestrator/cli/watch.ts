import { setInterval } from 'node:timers/promises';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { ApiClient } from '../client/api-client.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import { formatCopies, formatEvent, formatVolumes } from './format.ts';
import type { Terminal } from './run.ts';

/** Progress of a sync comes with no event, so the table is read anew while somebody looks at it. */
const REFRESH_MS = 1_000;

const CLEAR_BELOW = '\x1b[J';

/**
 * Prints state changes as they happen, above a table that is drawn again; only the changes when the
 * output is no terminal or JSON is asked for. Ends when the terminal's signal does.
 */
export async function watch(
  options: { readonly volume?: VolumeName; readonly output: 'table' | 'json' },
  client: ApiClient,
  terminal: Terminal,
): Promise<void> {
  const { volume, output } = options;
  if (volume !== undefined) await client.volume(volume); // a mistyped name would wait for ever
  const screen = new Screen(terminal, terminal.isInteractive && output === 'table');
  const ended = new AbortController();
  const signal = AbortSignal.any([terminal.signal, ended.signal]);
  const printEvents = async () => {
    for await (const event of client.events(signal)) {
      if (volume !== undefined && event.volume !== addressOf(volume)) continue;
      screen.print(output === 'json' ? `${JSON.stringify(event)}\n` : formatEvent(event));
    }
    throw new KeelsonError('UNAVAILABLE', 'the orchestrator has stopped');
  };
  const redraw = async () => {
    screen.draw(await readTable(client, volume));
    for await (const _ of setInterval(REFRESH_MS, undefined, { signal })) {
      screen.draw(await readTable(client, volume));
    }
  };
  try {
    await Promise.all([printEvents(), ...(screen.isDrawn ? [redraw()] : [])]);
  } catch (error) {
    if (!terminal.signal.aborted) throw error;
  } finally {
    ended.abort();
  }
}

async function readTable(client: ApiClient, volume: VolumeName | undefined): Promise<string> {
  const volumes = volume === undefined ? await client.volumes() : [await client.volume(volume)];
  const copies = volumes.map((one) => `\n${addressOf(one)}\n${formatCopies(one.copies)}`);
  return `\n${formatVolumes(volumes)}${copies.join('')}`;
}

/** Lines that stay, and a table below them that is replaced. */
class Screen {
  readonly isDrawn: boolean;
  readonly #terminal: Terminal;
  #table = '';

  constructor(terminal: Terminal, isDrawn: boolean) {
    this.#terminal = terminal;
    this.isDrawn = isDrawn;
  }

  print(line: string): void {
    this.#terminal.write(`${this.#goAbove()}${line}${this.#table}`);
  }

  draw(table: string): void {
    this.#terminal.write(`${this.#goAbove()}${table}`);
    this.#table = table;
  }

  #goAbove(): string {
    const lineCount = this.#table.split('\n').length - 1;
    return lineCount === 0 ? '' : `\x1b[${lineCount}F${CLEAR_BELOW}`;
  }
}
