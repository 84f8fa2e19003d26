import type { IncomingMessage, ServerResponse } from 'node:http';
import { type EventFilter, type EventLog, isAbout } from '../events/event-log.ts';
import type { EventView } from '../model/view.ts';

/** A reader that is this far behind is gone; it may come back with Last-Event-ID. */
const MAX_UNSENT_BYTES = 1024 * 1024;

export interface StreamFilter extends EventFilter {
  /** Undefined: only what happens from now on. */
  readonly since: number | undefined;
}

/**
 * Server-sent events: one `data:` line of JSON each, its sequence number as id. A reader that comes
 * back with `Last-Event-ID` first gets what it missed, as far as it is kept.
 */
export function streamEvents(
  events: EventLog,
  filter: StreamFilter,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(': events\n\n');
  const send = (event: EventView) => {
    response.write(`id: ${event.sequence}\ndata: ${JSON.stringify(event)}\n\n`);
    if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  };
  const since = lastSeenBy(request) ?? filter.since;
  if (since !== undefined) for (const event of events.since(since, filter)) send(event);
  const unsubscribe = events.subscribe((event) => {
    if (isAbout(event, filter)) send(event);
  });
  response.on('close', unsubscribe);
}

/** Newer than what the address of the stream says, which a browser or a client repeats. */
function lastSeenBy({ headers }: IncomingMessage): number | undefined {
  const lastSeen = String(headers['last-event-id'] ?? '');
  return /^\d{1,15}$/.test(lastSeen) ? Number(lastSeen) : undefined;
}
