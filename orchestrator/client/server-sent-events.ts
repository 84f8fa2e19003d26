import { KeelsonError } from '../../replica/common/errors.ts';

const MAX_EVENT_CHARS = 64 * 1024;

/** The `data:` of each event of a stream (WHATWG HTML, section 9.2); other fields are skipped. */
export async function* readServerSentEvents(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let unread = '';
  for await (const chunk of stream) {
    unread += decoder.decode(chunk, { stream: true });
    const blocks = unread.split('\n\n');
    unread = blocks.pop() ?? '';
    if (unread.length > MAX_EVENT_CHARS) {
      throw new KeelsonError(
        'PROTOCOL_VIOLATION',
        `event: more than ${MAX_EVENT_CHARS} characters`,
      );
    }
    for (const block of blocks) {
      const lines = block.split('\n').filter((line) => line.startsWith('data: '));
      if (lines.length > 0) yield lines.map((line) => line.slice('data: '.length)).join('\n');
    }
  }
}
