import { whyUndocumented } from './api-document.ts';

const origins = new Set<string>();
let isWatching = false;

/**
 * From here on every answer that this test fetches from the API at `url` must be one that the
 * document describes, or the fetch fails and says why.
 */
export function expectDocumentedAnswers(url: string): void {
  origins.add(new URL(url).origin);
  if (isWatching) return;
  isWatching = true;
  const plainFetch = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const response = await plainFetch(input, init);
    const { origin, pathname } = new URL(input instanceof Request ? input.url : String(input));
    const contentType = response.headers.get('content-type') ?? '';
    if (!origins.has(origin) || contentType.startsWith('text/event-stream')) return response;
    const method = init?.method ?? 'GET';
    const { status } = response;
    const body = await response.clone().text();
    const reason = whyUndocumented({ method, pathname, status, contentType, body });
    if (reason === undefined) return response;
    throw new Error(
      `${method} ${pathname} answered what the document does not say: ${reason}\n${body}`,
    );
  };
}
