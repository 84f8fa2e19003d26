import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Set in the environment of a run that has namespaces of its own. */
const MARK = 'KEELSON_CHAOS_NAMESPACES';

const FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const TOOLS = [
  { program: 'unshare', package: 'util-linux' },
  { program: 'fallocate', package: 'util-linux' },
  { program: 'mount', package: 'mount' },
  { program: 'mkfs.ext4', package: 'e2fsprogs' },
  { program: 'ip', package: 'iproute2' },
  { program: 'tc', package: 'iproute2' },
];

/** Why this machine cannot run the test, with what to do about it; undefined when it can. */
export function whyImpossible(): string | undefined {
  if (process.getuid?.() !== 0) {
    return 'it needs root, for namespaces, mounts and traffic control; run it with sudo';
  }
  const missing = TOOLS.filter(
    ({ program }) => !FOLDERS.some((folder) => existsSync(`${folder}/${program}`)),
  );
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map((tool) => tool.package))].join(' ');
  const programs = missing.map(({ program }) => program).join(', ');
  return `${programs} not found; on Debian or Ubuntu: apt-get install --no-install-recommends ${packages}`;
}

/**
 * Starts the program again in namespaces of its own and exits with its code; returns at once when
 * that has happened already. The network's, so that the real ports are free and links can be cut;
 * the mounts', so that the small disk goes when the run does; the processes', so that nothing can
 * outlive it, however it ends.
 */
export function isolate(): void {
  if (process.env[MARK] !== undefined) return;
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  // The shell stays as the first process: it collects what the killed orchestrators leave behind.
  const script = 'ip link set lo up || exit 1; "$@"; exit $?';
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status, error } = spawnSync(
    'unshare',
    [...namespaces, 'sh', '-c', script, 'sh', ...program],
    { stdio: 'inherit', env: { ...process.env, [MARK]: 'own' } },
  );
  if (error !== undefined) throw error;
  process.exit(status ?? 1);
}
