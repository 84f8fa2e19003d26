/**
 * The sentence that a process left when it could not start: its last line that is no JSON log line,
 * or the message of the error that it crashed with.
 */
export function lastSentenceIn(text: string): string | undefined {
  const lines = text.split('\n').filter(isSentence);
  const crash = lines.findLast((line) => /^\w*(Error|Failure)\b.*: /.test(line));
  return (crash ?? lines.at(-1))?.slice(0, 400);
}

/** Not a log line, nor the source excerpts, stack and version that Node.js prints at a crash. */
function isSentence(line: string): boolean {
  return /^[^\s{}^]/.test(line) && !line.startsWith('Node.js v');
}
