import { spawnSync } from 'node:child_process';

/** Set in the environment of a process that runs in a network namespace of its own. */
const MARK = 'KEELSON_TEST_NETWORK';

/**
 * Starts the program again in a network namespace of its own, with loopback up, and exits with its
 * code; returns at once when that has happened already. Tests use the real ports, so this keeps
 * them apart from whatever else listens on the machine. The namespace ends with its processes.
 */
export function isolateNetwork(): void {
  if (isNetworkIsolated()) return;
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const script = 'ip link set lo up && exec "$@"';
  const { status, error } = spawnSync('unshare', ['--net', 'sh', '-c', script, 'sh', ...program], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: 'own' },
  });
  if (error !== undefined) throw error;
  process.exit(status ?? 1);
}

/** Whether it happened: the network of this process is nobody else's. */
export function isNetworkIsolated(): boolean {
  return process.env[MARK] !== undefined;
}

/** Whether this process may make network namespaces: root may, unless a container forbids it. */
export function canIsolateNetwork(): boolean {
  if (isNetworkIsolated()) return true;
  return spawnSync('unshare', ['--net', 'true'], { stdio: 'ignore' }).status === 0;
}
