import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import { whyUndocumented } from '../../../support/api-document.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RawOptions {
  readonly headers?: RequestOptions['headers'];
  readonly body?: string | Buffer;
}

/** A request without fetch, which allows neither a Host nor an Origin of one's own. */
export async function rawCall(
  method: string,
  url: string,
  { headers, body }: RawOptions = {},
): Promise<RawAnswer> {
  const answer = await new Promise<RawAnswer>((resolve, reject) => {
    const outgoing = request(url, { method, ...(headers === undefined ? {} : { headers }) });
    outgoing.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    outgoing.end(body);
  });
  const contentType = answer.headers['content-type'] ?? '';
  const { pathname } = new URL(url);
  const reason = whyUndocumented({ method, pathname, ...answer, contentType });
  if (reason !== undefined) throw new Error(`${method} ${pathname}: ${reason}\n${answer.body}`);
  return answer;
}
