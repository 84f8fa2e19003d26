import { setInterval } from 'node:timers/promises';
import type { ApiClient } from '../client/api-client.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import type { Call } from './command.ts';
import { formatCopies, formatEvent, showVolumes } from './format.ts';
import { showItem } from './output.ts';
import { Screen } from './screen.ts';

/** Progress of a sync comes with no event, so the table is read anew while somebody looks at it. */
const REFRESH_MS = 1_000;

/** One volume, those of a namespace, or all. */
export type Watched =
  | { readonly volume: VolumeName }
  | { readonly volume?: never; readonly namespace: string | undefined };

/**
 * Prints state changes as they happen, above a table that is drawn again; only the changes when the
 * output is no terminal, or is for programs. Ends when the terminal's signal does.
 */
export async function watch(
  watched: Watched,
  call: Pick<Call, 'connect' | 'output' | 'terminal'>,
): Promise<void> {
  const { output, terminal } = call;
  const client = await call.connect();
  if (watched.volume !== undefined) await client.volume(watched.volume); // a mistyped name would wait for ever
  const screen = new Screen(terminal.out);
  const isDrawn = terminal.out.isInteractive && (output === 'table' || output === 'wide');
  const ended = new AbortController();
  const signal = AbortSignal.any([terminal.signal, ended.signal]);
  const printEvents = async () => {
    for await (const event of client.events(watched, signal)) {
      screen.print(await showItem(output, event, { table: formatEvent(event) }));
    }
  };
  const redraw = async () => {
    const read = () => readTable(client, watched, output === 'wide');
    screen.draw(await read());
    for await (const _ of setInterval(REFRESH_MS, undefined, { signal })) screen.draw(await read());
  };
  try {
    await Promise.all([printEvents(), ...(isDrawn ? [redraw()] : [])]);
  } catch (error) {
    if (!terminal.signal.aborted) throw error;
  } finally {
    ended.abort();
  }
}

async function readTable(client: ApiClient, watched: Watched, isWide: boolean): Promise<string> {
  const volumes =
    watched.volume === undefined
      ? await client.volumes({ namespace: watched.namespace })
      : [await client.volume(watched.volume)];
  const { table, wide = table } = showVolumes(volumes);
  const copies = volumes.map((one) => `\n${addressOf(one)}\n${formatCopies(one.copies)}`);
  return `\n${isWide ? wide : table}${copies.join('')}`;
}
