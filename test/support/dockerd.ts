import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { eventually, exitOf, runOk } from './child.ts';
import { makeCertificates } from './dockerd-certificates.ts';
import { type Host, startHost } from './dockerd-host.ts';
import { descendantsOf } from './processes.ts';

/**
 * A Docker engine of a test's own: its data, its socket, its containers and mounts are in nobody's
 * way, and all of it ends with the test, however that ends. Needs root and docker.io.
 */
export interface Dockerd {
  readonly engine: Docker;
  readonly socketPath: string;
  /** With `tls`: where it listens beside the socket, and the folder of ca.pem, cert.pem, key.pem. */
  readonly tcp: { readonly url: string; readonly certificates: string } | undefined;
  /** Where ports of its host are reached: 127.0.0.1, or the address of a host of its own. */
  readonly address: string;
  /** For files of the test that containers mount; removed at the end. */
  readonly directory: string;
  /** What the engine sees as /run/docker/plugins. */
  readonly pluginDirectory: string;
  /** Runs a program as on the engine's host: in its mount, process and network namespace. */
  inside(command: string, args: readonly string[]): Promise<string>;
  /** SIGKILL for dockerd and, by that, its containerd. The containers live on. */
  kill9(): Promise<void>;
  /** SIGTERM, which leaves the containers alone as well. */
  terminate(): Promise<void>;
  /** Starts it again; resolves when it answers. */
  start(): Promise<void>;
  /** Ends the engine and everything on it, and removes its files. */
  stop(): Promise<void>;
}

export interface DockerdOptions {
  /** Listen on TCP, too, for clients with a certificate. */
  readonly tls?: boolean;
  /**
   * A host of its own with this number, 1 to 250: a network namespace joined to the one of the test.
   * Without it the engine shares that, where there can be only one: both would write its firewall.
   */
  readonly host?: number;
  /** Its containers end with it, as they do unless one asks for something else. */
  readonly endsWithContainers?: boolean;
}

const TLS_PORT = 2376;
const START_TIMEOUT_MS = 60_000;

export async function startDockerd(options: DockerdOptions = {}): Promise<Dockerd> {
  const host = await startHost(options.host);
  try {
    return await startOn(host, options);
  } catch (error) {
    await host.stop();
    throw error;
  }
}

async function startOn(host: Host, options: DockerdOptions): Promise<Dockerd> {
  const { tls: hasTls = false, endsWithContainers = false } = options;
  const { directory, address } = host;
  const socketPath = join(directory, 'docker.sock');
  const certificates = join(directory, 'certificates');
  if (hasTls) await makeCertificates(certificates, address);
  const files = join(directory, 'files');
  mkdirSync(files);
  const engine = new Docker({ socketPath });
  const words = commandLine({ host, socketPath, ...(hasTls ? { certificates } : {}) });
  if (!endsWithContainers) words.push('--live-restore');
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    // Of the one before, whose number may be another process by now.
    rmSync(pidFileOf(directory), { force: true });
    child = spawn('nsenter', [...host.enter, 'dockerd', ...words], {
      stdio: ['ignore', 'ignore', openSync(logOf(directory), 'a')],
    });
    await whenAnswering(engine, child, directory);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined) return;
    const daemon = descendantsOf(child.pid ?? 0).find(({ command }) =>
      /^\S*dockerd /.test(command),
    );
    if (daemon !== undefined) process.kill(daemon.pid, signal);
    await exitOf(child);
  };
  await start();
  return {
    ...{ engine, socketPath, address, directory: files, pluginDirectory: host.pluginDirectory },
    tcp: hasTls ? { url: `tcp://${address}:${TLS_PORT}`, certificates } : undefined,
    inside: (command, args) => runOk('nsenter', [...host.enter, command, ...args]),
    kill9: () => end('SIGKILL'),
    terminate: () => end('SIGTERM'),
    start,
    stop: () => host.stop(),
  };
}

function commandLine(parts: { host: Host; socketPath: string; certificates?: string }): string[] {
  const { host, socketPath, certificates } = parts;
  const { directory, cgroup, address } = host;
  const server = (name: string) => join(certificates ?? '', `server-${name}.pem`);
  return [
    ...['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'run')],
    ...['--pidfile', pidFileOf(directory)],
    ...['--host', `unix://${socketPath}`, '--log-level', 'warn'],
    // Containers get networks from the test, or none: two default bridges would be one too many.
    ...['--bridge', 'none'],
    ...['--exec-opt', 'native.cgroupdriver=cgroupfs', '--cgroup-parent', cgroup],
    ...(certificates === undefined
      ? []
      : [
          ...['--host', `tcp://${address}:${TLS_PORT}`, '--tlsverify'],
          ...['--tlscacert', join(certificates, 'ca.pem')],
          ...['--tlscert', server('cert'), '--tlskey', server('key')],
        ]),
  ];
}

async function whenAnswering(engine: Docker, child: ChildProcess, directory: string) {
  const isEnded = () => child.exitCode !== null || child.signalCode !== null;
  await eventually(
    'the engine answers or ends',
    async () => (isEnded() ? true : await engine.ping()),
    { withinMs: START_TIMEOUT_MS, everyMs: 20 },
  );
  if (!isEnded()) return;
  const log = existsSync(logOf(directory)) ? readFileSync(logOf(directory), 'utf8') : '';
  throw new Error(`dockerd: expected it to serve, it ended\n${log.slice(-2000)}`);
}

function logOf(directory: string): string {
  return join(directory, 'dockerd.log');
}

function pidFileOf(directory: string): string {
  return join(directory, 'dockerd.pid');
}
