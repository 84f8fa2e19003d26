import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type Docker from 'dockerode';
import { ARCHITECTURES, type Architecture } from '../../images/addons.ts';
import { ROLES } from '../../images/bundle.ts';
import { hashOfDirectory, writeContext } from '../../images/context.ts';
import { architectureOf } from '../../images/engine.ts';
import {
  buildImages,
  currentVersion,
  type Images,
  imageNames,
  LOCAL_BASE,
} from '../../images/images.ts';
import { makeBase } from '../../images/make-base.ts';
import { startDockerd } from './dockerd.ts';

/** 160 MB each. */
const CACHE = 'node_modules/.cache/keelson-images';
const MAX_CACHED = 2;

/** Of the hash, in a tag. */
const HASH_CHARS = 12;

/** What images are made of, and the file of `docker save` that they are kept in. */
interface Recipe {
  readonly architecture: Architecture;
  readonly directory: string;
  /** As `imageArchive` says. */
  readonly tag: string;
  readonly file: string;
}

export interface ImageArchive {
  /** As of `docker save`. */
  readonly file: string;
  /** Of all images in it: another one for other content. */
  readonly tag: string;
}

/**
 * Puts the images of this source tree on an engine. What was built once is loaded after that, which
 * takes 2 s instead of 15 s, until a file changes that goes into them.
 */
export async function imagesFor(engine: Docker): Promise<Images> {
  return withRecipe(await architectureOf(engine), async (recipe) => {
    const names = imageNames(currentVersion());
    if (!existsSync(recipe.file)) {
      await build(engine, recipe);
    } else {
      await load(engine, recipe.file);
      const built = imageNames(recipe.tag);
      for (const role of ROLES) await tag(engine, built[role], currentVersion());
    }
    return names;
  });
}

/** The images of this source tree for this machine; an engine of our own builds them where it has to. */
export async function imageArchive(): Promise<ImageArchive> {
  const names = Object.keys(ARCHITECTURES) as Architecture[];
  const own = names.find((name) => ARCHITECTURES[name] === process.arch);
  if (own === undefined) throw new Error(`images for ${process.arch}: expected one of ${names}`);
  return withRecipe(own, async (recipe) => {
    if (!existsSync(recipe.file)) {
      const dockerd = await startDockerd();
      await build(dockerd.engine, recipe).finally(() => dockerd.stop());
    }
    return { file: recipe.file, tag: recipe.tag };
  });
}

async function withRecipe<T>(
  architecture: Architecture,
  work: (recipe: Recipe) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-context-'));
  try {
    await writeContext(directory, architecture);
    const tag = `test-${hashOfDirectory(directory).slice(0, HASH_CHARS)}`;
    const file = resolve(CACHE, `${process.version}-${tag}.tar`);
    return await work({ architecture, directory, tag, file });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** They have the tag of this version afterwards, and in the file the one that nothing else has. */
async function build(engine: Docker, recipe: Recipe): Promise<void> {
  const { directory, architecture } = recipe;
  await makeBase(engine, architecture);
  const version = currentVersion();
  const built = await buildImages(engine, {
    ...{ directory, architecture },
    ...{ base: LOCAL_BASE, tag: version },
  });
  for (const role of ROLES) await tag(engine, built[role], recipe.tag);
  await save(engine, Object.values(imageNames(recipe.tag)), recipe.file);
}

async function tag(engine: Docker, image: string, name: string): Promise<void> {
  await engine.getImage(image).tag({ repo: image.replace(/:.*$/, ''), tag: name });
}

async function load(engine: Docker, file: string): Promise<void> {
  const progress = await engine.loadImage(createReadStream(file), { quiet: true });
  await new Promise<void>((resolve, reject) => {
    engine.modem.followProgress(progress, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function save(engine: Docker, images: readonly string[], file: string): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  await pipeline(await exportImages(engine, images), createWriteStream(unfinished));
  renameSync(unfinished, file); // whole or not at all
  const byAge = readdirSync(CACHE)
    .map((name) => join(CACHE, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const old of byAge.slice(MAX_CACHED)) rmSync(old, { force: true });
}

/** `docker save`, of which the types of dockerode know the form for one image only. */
function exportImages(engine: Docker, images: readonly string[]): Promise<NodeJS.ReadableStream> {
  return new Promise((resolve, reject) => {
    engine.modem.dial(
      {
        ...{ path: '/images/get?', options: { names: images }, method: 'GET', isStream: true },
        statusCodes: { 200: true, 400: 'bad parameter', 500: 'server error' },
      },
      (error: unknown, stream: unknown) =>
        error === null ? resolve(stream as NodeJS.ReadableStream) : reject(error),
    );
  });
}
