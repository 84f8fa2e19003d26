import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { KeelsonError } from '../replica/common/errors.ts';
import { ARCHITECTURES, type Architecture, addonsFor } from './addons.ts';
import { hashOfDirectory } from './context.ts';
import { buildImage } from './engine.ts';
import { LOCAL_BASE } from './images.ts';

/** The binary that came with npm ci, whatever runs this. */
const NODE = 'node_modules/node/bin/node';

const CONTENT_LABEL = 'io.keelson.content';

/**
 * Makes a base image from the pinned Node.js and the libraries of this machine, for engines that reach
 * no registry. Returns whether it had to: the one that is there may hold the same already.
 *
 * Errors: FAILED_PRECONDITION when the engine runs on another architecture; IO_FAILED.
 */
export async function makeBase(engine: Docker, architecture: Architecture): Promise<boolean> {
  if (process.platform !== 'linux' || ARCHITECTURES[architecture] !== process.arch) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `${LOCAL_BASE} for linux/${architecture}: its files come from this machine, which is ` +
        `${process.platform}/${process.arch}; run this on the machine of the engine`,
    );
  }
  const directory = mkdtempSync(join(tmpdir(), 'keelson-base-'));
  try {
    collect(directory, architecture);
    const content = hashOfDirectory(directory);
    if (content === (await contentOf(engine))) return false;
    await buildImage(engine, {
      directory,
      dockerfile: 'Dockerfile',
      image: LOCAL_BASE,
      arguments: { CONTENT: content },
    });
    return true;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function collect(directory: string, architecture: Architecture): void {
  const root = join(directory, 'root');
  const addons = join(directory, 'addons');
  for (const folder of [root, addons]) mkdirSync(folder);
  for (const { file, source } of addonsFor(architecture)) copyFileSync(source, join(addons, file));
  const words = ['--disable-warning=ExperimentalWarning', 'images/collect-runtime.ts'];
  execFileSync(NODE, [...words, root, addons]);
  rmSync(addons, { recursive: true });
  const lines = [
    'FROM scratch',
    'COPY root/ /',
    'ARG CONTENT',
    `LABEL ${CONTENT_LABEL}=\${CONTENT}`,
  ];
  writeFileSync(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`);
}

async function contentOf(engine: Docker): Promise<string | undefined> {
  try {
    const { Config: config } = await engine.getImage(LOCAL_BASE).inspect();
    return config.Labels?.[CONTENT_LABEL];
  } catch {
    return undefined; // not there
  }
}
