import type { Log } from '../../../../../replica/common/log.ts';

/** What is logged is nobody's business here. */
export const silentLog: Log = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
