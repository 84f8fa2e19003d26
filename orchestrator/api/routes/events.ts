import { streamEvents } from '../event-stream.ts';
import { sendJson } from '../http.ts';
import type { Exchange, Route } from '../route.ts';
import { count, flag, listOf, ref } from '../schema.ts';
import { ADDRESS, NAMESPACE_QUERY } from '../schemas/common.ts';

export const EVENT_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/events',
    id: 'readEvents',
    summary: 'What happens, as a stream of server-sent events, or what is kept of what happened.',
    query: [
      { name: 'volume', schema: ADDRESS, expected: 'NAMESPACE/NAME' },
      NAMESPACE_QUERY,
      {
        name: 'since',
        schema: count('First what came after the event with this number, as far as it is kept.'),
      },
      {
        name: 'follow',
        schema: flag('`false`: a list of what is kept, and no stream.', { default: true }),
      },
    ],
    answers: {
      200: {
        description:
          'With `follow=false` a list; else a stream in which each event is one line of JSON.',
        schema: listOf(ref('Event')),
        isStream: true,
      },
    },
    handle: readEvents,
  },
];

function readEvents({ installation, request, response, query }: Exchange): void {
  const { events } = installation;
  const filter = { volume: query.text('volume'), namespace: query.text('namespace') };
  const since = query.number('since');
  if (query.flag('follow', true)) {
    streamEvents(events, { ...filter, since }, { request, response });
    return;
  }
  sendJson(response, 200, events.since(since ?? 0, filter));
}
