import { KeelsonError, messageOf, systemCodeOf } from './errors.ts';

export function explainListen(error: unknown, host: string, port: number): KeelsonError {
  const what = `listen on ${host}:${port}`;
  const code = systemCodeOf(error);
  const options = { cause: error };
  if (code === 'EADDRINUSE') {
    const message = `${what}: the port is in use by another process; stop it or choose another port`;
    return new KeelsonError('IN_USE', message, options);
  }
  return new KeelsonError('IO_FAILED', `${what}: ${messageOf(error)}`, options);
}
