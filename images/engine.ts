import { spawn } from 'node:child_process';
import Docker from 'dockerode';
import { KeelsonError, messageOf, systemCodeOf } from '../replica/common/errors.ts';
import { ARCHITECTURES, type Architecture } from './addons.ts';

/** One line of what an engine prints while it builds. */
interface BuildLine {
  readonly stream?: string;
  readonly error?: string;
}

/**
 * The engine that `docker` would use (DOCKER_HOST, or the socket), asked whether it is there.
 *
 * Errors: UNAVAILABLE, in one sentence.
 */
export async function findEngine(): Promise<Docker> {
  const where = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  const engine = new Docker();
  await engine.ping().catch((error: unknown) => {
    const hint =
      systemCodeOf(error) === 'EACCES'
        ? 'run this as root or as a member of the group docker'
        : 'start one, or set DOCKER_HOST';
    const message = `no Docker engine answers on ${where} (${messageOf(error)}); ${hint}`;
    throw new KeelsonError('UNAVAILABLE', message, { cause: error });
  });
  return engine;
}

/** Errors: FAILED_PRECONDITION for one without addons. */
export async function architectureOf(engine: Docker): Promise<Architecture> {
  const { Arch: arch } = await engine.version();
  if (arch in ARCHITECTURES) return arch as Architecture;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `images for ${arch}: expected an engine on ${Object.keys(ARCHITECTURES).join(' or ')}`,
  );
}

export interface ImageBuild {
  /** The context. */
  readonly directory: string;
  readonly dockerfile: string;
  /** NAME:TAG. */
  readonly image: string;
  readonly arguments: Readonly<Record<string, string>>;
}

/**
 * `docker build` without a network: all that an image needs is in the context and the base.
 *
 * Errors: IO_FAILED with what the engine said last.
 */
export async function buildImage(engine: Docker, build: ImageBuild): Promise<void> {
  const response = await engine
    .buildImage(packDirectory(build.directory), {
      t: build.image,
      dockerfile: build.dockerfile,
      buildargs: build.arguments,
      networkmode: 'none',
      forcerm: true,
    })
    .catch((cause: unknown) => {
      throw new KeelsonError('IO_FAILED', `build ${build.image}: ${messageOf(cause)}`, { cause });
    });
  const said: string[] = [];
  let failure: string | undefined;
  await new Promise<void>((resolve, reject) => {
    const onEnd = (error: Error | null) => (error === null ? resolve() : reject(error));
    engine.modem.followProgress(response, onEnd, ({ stream, error }: BuildLine) => {
      if (stream !== undefined) said.push(stream);
      failure ??= error;
    });
  }).catch((error: unknown) => {
    failure ??= messageOf(error);
  });
  if (failure === undefined) return;
  const last = said.join('').trim().split('\n').slice(-12).join('\n');
  throw new KeelsonError('IO_FAILED', `build ${build.image}: ${failure}\n${last}`);
}

/** Names and times of the files say nothing of who wrote them when, so that layers are found again. */
function packDirectory(directory: string): NodeJS.ReadableStream {
  const words = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const tar = spawn('tar', ['-c', ...words, '-C', directory, '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  tar.on('error', (error) => tar.stdout.destroy(error));
  return tar.stdout;
}
