import type Docker from 'dockerode';
import { build } from 'esbuild';
import type { Role } from './bundle.ts';
import type { Images } from './images.ts';

/**
 * A container of one of our images that serves, as far as it can alone, and beside it one that watches
 * it (images/probe.ts). The two share a network that nobody else is on, so that this needs nothing of
 * the engine's host.
 */
export interface Subject {
  /** Created, not started. */
  readonly container: Docker.Container;
  /** Resolves when that is the last thing the probe said. */
  says(word: 'up' | 'down'): Promise<void>;
  remove(): Promise<void>;
}

interface Program {
  readonly arguments: readonly string[];
  /** What images/probe.ts asks. */
  readonly question: readonly string[];
}

/** The network of these containers is theirs alone, so any port is free. */
const REGISTRY_PORT = 8080;
const DATA = '/data';
const USER_ID = 65532;
const SECRET = 'ab'.repeat(32);
const LISTEN = ['--listen', '127.0.0.1'];

/** Discovery of the portal for a controller, /healthz for the others. */
const PROGRAMS: Readonly<Record<Role, Program>> = {
  controller: {
    arguments: [
      ...['--volume', 'default/probe', '--instance-id', 'probe', ...LISTEN],
      ...['--registry', `http://127.0.0.1:${REGISTRY_PORT}`],
    ],
    question: ['iscsi', '3260', String(REGISTRY_PORT)],
  },
  replica: {
    arguments: [
      ...['--volume', 'default/probe', '--volume-id', 'probe', '--replica-id', 'probe'],
      ...['--data-dir', `${DATA}/copy`, '--size', String(64 * 1024 * 1024), ...LISTEN],
    ],
    question: ['http', '5704'],
  },
  orchestrator: {
    arguments: ['--platform', 'process', '--no-demo', '--data', DATA],
    question: ['http', '5705'],
  },
};

/** With as few rights as the orchestrator gives, and `options` beside that. */
export async function makeSubject(
  engine: Docker,
  images: Images,
  role: Role,
  options: Docker.ContainerCreateOptions = {},
): Promise<Subject> {
  const { arguments: words, question } = PROGRAMS[role];
  const probe = await startProbe(engine, images[role], question);
  try {
    const container = await engine.createContainer({
      Image: images[role],
      Cmd: [...words],
      Env: [`KEELSON_VOLUME_SECRET=${SECRET}`],
      HostConfig: {
        NetworkMode: `container:${probe.container.id}`,
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Tmpfs: { [DATA]: role === 'orchestrator' ? '' : `uid=${USER_ID},gid=${USER_ID}` },
      },
      ...options,
    });
    return {
      container,
      says: probe.says,
      remove: async () => {
        await container.remove({ force: true });
        await probe.container.remove({ force: true });
      },
    };
  } catch (error) {
    await probe.container.remove({ force: true });
    throw error;
  }
}

interface Probe {
  readonly container: Docker.Container;
  readonly says: Subject['says'];
}

/** Longer than any start takes. */
const PATIENCE_MS = 20_000;

async function startProbe(
  engine: Docker,
  image: string,
  question: readonly string[],
): Promise<Probe> {
  const container = await engine.createContainer({
    Image: image,
    Entrypoint: ['/usr/local/bin/node', '--input-type=module', '-e', await bundleProbe(), '--'],
    Cmd: [...question],
    Healthcheck: { Test: ['NONE'] },
    Tty: true, // the plain stream of what it prints
    HostConfig: { NetworkMode: 'none' },
  });
  const output = await container.attach({ stream: true, stdout: true, stderr: true });
  await container.start();
  let said = '';
  let onSaid: () => void = () => undefined;
  output.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    onSaid();
  });
  return {
    container,
    says: (word) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error(`start of ${image}: expected "${word}", the probe said "${said}"`));
        }, PATIENCE_MS);
        onSaid = () => {
          if (!said.trimEnd().endsWith(word)) return;
          clearTimeout(timer);
          resolve();
        };
        onSaid();
      }),
  };
}

async function bundleProbe(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ['images/probe.ts'],
    ...{ bundle: true, platform: 'node', target: 'node26', format: 'esm' },
    ...{ minify: true, write: false, logLevel: 'error' },
  });
  return outputFiles[0]?.text ?? '';
}
