import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Harness } from '../kubernetes/support/harness.ts';

/**
 * Makes sure, before the tests, that the programs which they use as counterparts are there: a
 * suite whose peer is missing would fail in a way that says little. As root on Debian or Ubuntu
 * the missing packages are installed; otherwise one line says how to.
 */
interface Peer {
  readonly package: string;
  /** Any one of these is enough. */
  readonly paths: readonly string[];
}

const SYSTEM_FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin'];
const LIBRARY_FOLDERS = ['/usr/lib', '/lib'].flatMap((folder) =>
  ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((triple) => `${folder}/${triple}`),
);

function program(name: string, debianPackage: string): Peer {
  return { package: debianPackage, paths: SYSTEM_FOLDERS.map((folder) => `${folder}/${name}`) };
}

function library(name: string, debianPackage: string): Peer {
  return { package: debianPackage, paths: LIBRARY_FOLDERS.map((folder) => `${folder}/${name}`) };
}

const PEERS: readonly Peer[] = [
  program('linux.uml', 'user-mode-linux'),
  { package: 'user-mode-linux', paths: ['/usr/lib/uml/modules'] },
  program('iscsid', 'open-iscsi'),
  program('iscsiadm', 'open-iscsi'),
  program('modprobe', 'kmod'),
  program('ip', 'iproute2'),
  program('iptables', 'iptables'),
  program('mkfs.ext4', 'e2fsprogs'),
  program('mkfs.xfs', 'xfsprogs'),
  program('sg_persist', 'sg3-utils'),
  program('iscsi-test-cu', 'libiscsi-bin'),
  program('iscsi-ls', 'libiscsi-bin'),
  program('qemu-img', 'qemu-utils'),
  program('qemu-io', 'qemu-utils'),
  library('qemu/block-iscsi.so', 'qemu-block-extra'),
  program('tgtd', 'tgt'),
  program('tgtadm', 'tgt'),
  library('liblz4.so.1', 'liblz4-1'),
  program('zsh', 'zsh'),
  program('script', 'bsdutils'),
  program('dockerd', 'docker.io'),
  program('docker-init', 'docker.io'),
  program('docker-compose', 'docker-compose'),
  program('openssl', 'openssl'),
];

/** User-mode Linux needs a shim on CPUs with AMX, which is compiled when it is used. */
const AMX_PEERS: readonly Peer[] = [
  program('gcc', 'gcc'),
  { package: 'libc6-dev', paths: ['/usr/include/stdlib.h'] },
];

const hasAmx = /\bamx_tile\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
const missing = [...PEERS, ...(hasAmx ? AMX_PEERS : [])]
  .filter(({ paths }) => !paths.some((path) => existsSync(path)))
  .map((peer) => peer.package);
if (missing.length > 0) install([...new Set(missing)]);
// The tests on Kubernetes come last: what they run on is built while the others run.
if (process.env.KUBECONFIG === undefined) Harness.find()?.buildInBackground('build');

function install(packages: readonly string[]): void {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !existsSync('/usr/bin/apt-get')) {
    process.stderr.write(
      `The tests need programs that are not installed. On Debian or Ubuntu:\n` +
        `  sudo apt-get install --no-install-recommends ${packages.join(' ')}\n`,
    );
    process.exit(1);
  }
  process.stdout.write(`installing for the tests: ${packages.join(' ')}\n`);
  aptGet('update', '-q');
  aptGet('install', '-q', '-y', '--no-install-recommends', ...packages);
}

function aptGet(...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync('apt-get', args, {
    encoding: 'utf8',
    // Services of the peers (tgt, open-iscsi, Docker) must not start by themselves.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  });
  if (status === 0) return;
  process.stderr.write(`apt-get ${args.join(' ')}: exit code ${status}\n${stdout}${stderr}`);
  process.exit(1);
}
