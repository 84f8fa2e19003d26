/**
 * Calls `onEnd` when the process that started this one is gone: it holds the other end of standard
 * input, and the kernel closes that even after kill -9. Only where the starter says so.
 */
export function watchParent(
  environment: Readonly<Record<string, string | undefined>>,
  onEnd: () => void,
): void {
  if (environment.KEELSON_PARENT_PIPE !== '1') return;
  process.stdin.on('end', onEnd);
  process.stdin.on('error', onEnd);
  process.stdin.resume();
}
