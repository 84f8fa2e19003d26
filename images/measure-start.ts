import type Docker from 'dockerode';
import { build } from 'esbuild';
import type { Role } from './bundle.ts';
import type { Images } from './images.ts';

export interface StartTime {
  /** Until the engine says that the container runs, and until the program answered first. */
  readonly engineMs: number;
  readonly answerMs: number;
}

interface Subject {
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
const SUBJECTS: Readonly<Record<Role, Subject>> = {
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
  orchestrator: { arguments: ['--no-demo', '--data', DATA], question: ['http', '5705'] },
};

/** The first start of a container is not the one that matters: that is a start after a crash. */
const ROUNDS = 6;

/** Kills and starts a container of `role` and returns the median. */
export async function measureStart(engine: Docker, images: Images, role: Role): Promise<StartTime> {
  const { arguments: words, question } = SUBJECTS[role];
  const isRoot = role === 'orchestrator';
  const probe = await startProbe(engine, images[role], question);
  let subject: Docker.Container | undefined;
  try {
    subject = await engine.createContainer({
      Image: images[role],
      Cmd: [...words],
      Env: [`KEELSON_VOLUME_SECRET=${SECRET}`],
      HostConfig: {
        NetworkMode: `container:${probe.container.id}`,
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Tmpfs: { [DATA]: isRoot ? '' : `uid=${USER_ID},gid=${USER_ID}` },
      },
    });
    const times: StartTime[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now();
      await subject.start();
      const engineMs = performance.now() - began;
      await probe.says('up');
      const answerMs = performance.now() - began;
      await subject.kill();
      await probe.says('down');
      await subject.wait();
      if (round > 0) times.push({ engineMs, answerMs });
    }
    return median(times);
  } finally {
    await subject?.remove({ force: true });
    await probe.container.remove({ force: true });
  }
}

interface Probe {
  readonly container: Docker.Container;
  /** Resolves when that is the last thing it said. */
  says(word: 'up' | 'down'): Promise<void>;
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

function median(times: readonly StartTime[]): StartTime {
  const sorted = [...times].sort((a, b) => a.answerMs - b.answerMs);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('median: expected at least one time');
  return middle;
}
