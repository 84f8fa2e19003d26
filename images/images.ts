import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type Docker from 'dockerode';
import { KeelsonError, messageOf } from '../replica/common/errors.ts';
import type { Architecture } from './addons.ts';
import { ROLES, type Role } from './bundle.ts';
import { buildImage } from './engine.ts';

export const DEFAULT_BASE = 'node:26-bookworm-slim';

/** What `npm run images:base` makes. */
export const LOCAL_BASE = 'keelson-base:local';

export type Images = Readonly<Record<Role, string>>;

export interface ImagesOptions {
  /** The context of images/context.ts. */
  readonly directory: string;
  readonly architecture: Architecture;
  readonly base: string;
  readonly tag: string;
}

/** The version of package.json: images and orchestrator belong together. */
export function currentVersion(): string {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  return version;
}

/** NAME:TAG for each role. There is no `latest`: an orchestrator starts what is of its own version. */
export function imageNames(tag: string): Images {
  const names = ROLES.map((role) => [role, `keelson/${role}:${tag}`] as const);
  return Object.fromEntries(names) as Record<Role, string>;
}

/**
 * Builds all three.
 *
 * Errors: FAILED_PRECONDITION when the base is neither on the engine nor in a registry that the
 * engine reaches; IO_FAILED when a build fails.
 */
export async function buildImages(engine: Docker, options: ImagesOptions): Promise<Images> {
  await findBase(engine, options.base);
  const names = imageNames(options.tag);
  for (const role of ROLES) {
    await buildImage(engine, {
      directory: options.directory,
      dockerfile: `${role}.Dockerfile`,
      image: names[role],
      arguments: {
        BASE_IMAGE: options.base,
        TARGETARCH: options.architecture, // the classic builder does not set it
        VERSION: currentVersion(),
        REVISION: askGit('rev-parse', 'HEAD'),
        SOURCE: withoutUser(askGit('config', '--get', 'remote.origin.url')),
      },
    });
  }
  return names;
}

async function findBase(engine: Docker, base: string): Promise<void> {
  try {
    await engine.getImage(base).inspect();
  } catch {
    await pull(engine, base).catch((cause: unknown) => {
      const message =
        `base image ${base}: the engine does not have it and cannot pull it ` +
        `(${messageOf(cause).trim()}); make one with npm run images:base, then ` +
        `npm run images -- --base ${LOCAL_BASE}`;
      throw new KeelsonError('FAILED_PRECONDITION', message, { cause });
    });
  }
}

async function pull(engine: Docker, image: string): Promise<void> {
  const progress = await engine.pull(image);
  await new Promise<void>((resolve, reject) => {
    engine.modem.followProgress(progress, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Empty where this is no git checkout: the label is empty then. */
function askGit(...words: readonly string[]): string {
  try {
    return execFileSync('git', words, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

/** An address may hold a name and a token, which are not for a label. */
function withoutUser(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//');
}
