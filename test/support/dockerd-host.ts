import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { exitOf, runOk } from './child.ts';
import { isNetworkIsolated } from './isolated.ts';

/**
 * The machine that a test's engine believes to be on: a mount and a process namespace, on demand a
 * network namespace, one control group. The kernel ends all its processes and takes its mounts away
 * when the first process ends, and that ends when this process does: it reads from a pipe of ours.
 */
export interface Host {
  /** Everything that belongs to it; removed at the end. */
  readonly directory: string;
  /** Seen inside as /run/docker/plugins. */
  readonly pluginDirectory: string;
  readonly cgroup: string;
  readonly address: string;
  /** Options of nsenter that lead inside. */
  readonly enter: readonly string[];
  stop(): Promise<void>;
}

/**
 * Process 1 inside. What an engine and its plugins keep at fixed places is covered: another engine's
 * configuration, identity and sockets. The rest is the machine's own, but for control groups where
 * its init made none. docker-init collects the processes that lose their parents.
 */
const INSIDE = `
set -e
for place in /etc/docker /run/docker /run/containerd; do
  mkdir -p "$place"
  mount -t tmpfs none "$place"
done
mkdir /run/docker/plugins
mount --bind "$1" /run/docker/plugins
ip link set lo up
grep -q ' /sys/fs/cgroup' /proc/mounts || mount -t cgroup2 none /sys/fs/cgroup
echo inside
read -r _ || true
`;

/** Waits for the end of all that, and cleans up what the kernel does not. */
const OUTSIDE = `
directory=$1; cgroup=$2; inside=$3; shift 3
unshare --mount --pid --fork --kill-child --mount-proc "$@" \\
  docker-init -- sh -c "$inside" sh "$directory/plugins"
for group in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
  if [ -d "$group" ]; then find "$group" -depth -type d -exec rmdir {} ';'; fi
done
# Bridges of networks that nobody removed, unless they have gone with the host's own namespace.
if [ $# -eq 0 ]; then
  ip -brief link show type bridge | while read -r bridge _; do ip link delete "$bridge"; done
fi
rm -rf "$directory"
`;

export async function startHost(number: number | undefined): Promise<Host> {
  if (process.getuid?.() !== 0) {
    throw new Error('a Docker engine for tests: expected to run as root, which starts one');
  }
  if (!isNetworkIsolated()) {
    throw new Error(
      'a Docker engine for tests: expected a network namespace of the test, as this one is the ' +
        "machine's, whose firewall it would change; run it by npm test or npm run test:docker",
    );
  }
  const directory = mkdtempSync(join(tmpdir(), 'keelson-engine-'));
  const pluginDirectory = join(directory, 'plugins');
  mkdirSync(pluginDirectory);
  const cgroup = basename(directory);
  const network = number === undefined ? [] : ['--net'];
  const words = ['-c', OUTSIDE, 'sh', directory, cgroup, INSIDE, ...network];
  // A group of its own, so that a Ctrl-C leaves it the time to clean up.
  const child = spawn('sh', words, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await exitOf(child);
  };
  try {
    const pid = await firstProcessOf(child);
    const enter = ['--target', String(pid), '--mount', '--pid', ...network];
    const address = number === undefined ? '127.0.0.1' : await joinNetworks(pid, number);
    return { directory, pluginDirectory, cgroup, address, enter, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Process 1 of the inside, as it is called outside. */
async function firstProcessOf(child: ChildProcess): Promise<number> {
  const { stdout } = child;
  const isReady = stdout !== null && once(stdout, 'data');
  await Promise.race([isReady, exitOf(child)]);
  const unshare = onlyChildOf(child.pid ?? 0);
  const init = unshare === undefined ? undefined : onlyChildOf(unshare);
  if (init !== undefined) return init;
  throw new Error(
    'a Docker engine for tests: expected unshare and docker-init of docker.io to run',
  );
}

function onlyChildOf(pid: number): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return first === undefined || first === '' ? undefined : Number(first);
  } catch {
    return undefined; // it ended
  }
}

/** A cable between the two namespaces (RFC 2544 addresses). Returns the address inside. */
async function joinNetworks(pid: number, number: number): Promise<string> {
  const [outer, inner] = [`198.18.${number}.1`, `198.18.${number}.2`];
  const cable = `keelson${number}`;
  const ip = (words: string) => runOk('ip', words.split(' '));
  const ipInside = (words: string) =>
    runOk('nsenter', ['--target', String(pid), '--net', 'ip', ...words.split(' ')]);
  await ip(`link add ${cable} type veth peer name eth0 netns ${pid}`);
  await ip(`address add ${outer}/30 dev ${cable}`);
  await ip(`link set ${cable} up`);
  await ipInside(`address add ${inner}/30 dev eth0`);
  await ipInside('link set eth0 up');
  await ipInside(`route add default via ${outer}`);
  // From one host to another.
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  return inner;
}
