import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EventLog } from '../events/event-log.ts';
import type { EventView } from '../model/view.ts';

/** A reader that is this far behind is gone; it may come back with Last-Event-ID. */
const MAX_UNSENT_BYTES = 1024 * 1024;

/**
 * Server-sent events: one `data:` line of JSON each, its sequence number as id. A reader that comes
 * back with `Last-Event-ID` first gets what it missed, as far as it is kept.
 */
export function streamEvents(
  events: EventLog,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(': events\n\n');
  const send = (event: EventView) => {
    response.write(`id: ${event.sequence}\ndata: ${JSON.stringify(event)}\n\n`);
    if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  };
  const lastSeen = String(request.headers['last-event-id'] ?? '');
  if (/^\d{1,15}$/.test(lastSeen)) for (const event of events.since(Number(lastSeen))) send(event);
  const unsubscribe = events.subscribe(send);
  response.on('close', unsubscribe);
}
