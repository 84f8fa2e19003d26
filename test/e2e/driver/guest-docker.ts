import type { Guest } from '../../support/uml/guest.ts';

const ENGINE = 'unix:///run/docker.sock';
const DOCKER = `docker -H ${ENGINE}`;
const IMAGE_ROOT = '/run/image';
/** What the image has where the volume is mounted. */
export const SEED = 'from the image';

const CONTROLLERS = ['cpu', 'cpuacct', 'blkio', 'memory', 'devices', 'freezer', 'pids'];

/** Begins to start a Docker engine in the guest, with all it has in memory. */
export async function startEngine(guest: Guest): Promise<void> {
  await guest.run(
    `mkdir -p /etc/docker /dev/pts && mount -t tmpfs none /etc/docker && mount -t devpts none /dev/pts && ` +
      `mount -t tmpfs none /sys/fs/cgroup && modprobe -d /run/modules overlay`,
  );
  const mountGroup = 'mkdir /sys/fs/cgroup/$c && mount -t cgroup -o $c none /sys/fs/cgroup/$c';
  await guest.run(`for c in ${CONTROLLERS.join(' ')}; do ${mountGroup} || break; done`);
  const words = [
    ...['-H', ENGINE, '--data-root', '/run/engine', '--exec-root', '/run/engine-exec'],
    ...['--pidfile', '/run/engine.pid', '--log-level', 'warn'],
    ...['--bridge', 'none', '--iptables=false', '--ip6tables=false'],
    ...['--exec-opt', 'native.cgroupdriver=cgroupfs'],
  ];
  await guest.run(`(dockerd ${words.join(' ')} >/run/engine.log 2>&1 &)`);
}

/** Waits for it, and makes an image `tiny` of a shell and `cat`. */
export async function prepareEngine(guest: Guest): Promise<void> {
  await guest.run(
    `for i in $(seq 600); do ${DOCKER} version >/dev/null 2>&1 && break; sleep 0.1; done; ` +
      `${DOCKER} version >/dev/null || { tail /run/engine.log; false; }`,
    120_000,
  );
  await guest.run(
    `mkdir -p ${IMAGE_ROOT}/data && echo ${SEED} > ${IMAGE_ROOT}/data/seed && ` +
      `cp -L --parents /bin/sh /bin/cat $(ldd /bin/sh /bin/cat | grep -o '/lib[^ :]*$\\|/lib[^ ]* ') ${IMAGE_ROOT} && ` +
      `tar -c -C ${IMAGE_ROOT} . | ${DOCKER} import - tiny`,
  );
}

/** Runs the command line of Docker in the guest. */
export function docker(guest: Guest, words: string): Promise<string> {
  return guest.run(`${DOCKER} ${words}`, 120_000);
}
