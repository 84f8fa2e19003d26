import { type Command, defineCommand } from '../command.ts';
import { showEvents } from '../format.ts';
import { print, showItem } from '../output.ts';
import { addressIn, NAMESPACE_OR_ALL, parseNumber } from '../values.ts';

const events = defineCommand({
  words: 'events',
  about: 'what has happened, in plain words',
  options: {
    ...NAMESPACE_OR_ALL,
    volume: {
      type: 'text',
      value: 'NAME',
      completes: 'volume',
      about: 'only of this volume: NAME or NAMESPACE/NAME',
    },
    since: {
      type: 'text',
      value: 'NUMBER',
      about: 'only what came after the event of this number, which -o wide shows',
    },
    follow: { type: 'flag', short: 'f', about: 'go on with what happens, until Ctrl-C' },
  },
  details: 'The last 1000 events are kept, until the orchestrator ends. Times are UTC.',
  example: `keelson events --volume default/volume-name
keelson events --follow -o json`,
  async run(call) {
    const { given, output, terminal } = call;
    const { namespace, volume } = given;
    const max = Number.MAX_SAFE_INTEGER;
    const since = parseNumber('since', given.since ?? '0', { min: 0, max });
    const filter =
      volume === undefined ? { namespace, since } : { volume: addressIn(volume, namespace), since };
    const client = await call.connect();
    if (!given.follow) {
      const past = await client.pastEvents(filter);
      await print(call, past, showEvents(past));
      return;
    }
    try {
      for await (const event of client.events(filter, terminal.signal)) {
        terminal.out.write(await showItem(output, event, showEvents([event])));
      }
    } catch (error) {
      if (!terminal.signal.aborted) throw error;
    }
  },
});

export const EVENT_COMMANDS: readonly Command[] = [events];
