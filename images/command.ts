import { KeelsonError, messageOf } from '../replica/common/errors.ts';

/** Ends a script: one sentence for what the environment did, the stack for a bug. */
export function fail(error: unknown): never {
  if (!(error instanceof KeelsonError)) throw error;
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(error.code === 'INVALID_ARGUMENT' ? 2 : 1);
}
