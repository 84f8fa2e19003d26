import { ROLES } from '../../../images/bundle.ts';
import type { ImageArchive } from '../../support/dockerd-images.ts';
import type { Harness } from './harness.ts';

/** The same images under another tag: what an upgrade changes to. */
export function nextTagOf(tag: string): string {
  return `${tag}-next`;
}

/** Puts the images on every node that does not have them; a tag belongs to one content. */
export async function loadImages(harness: Harness, archive: ImageArchive): Promise<void> {
  const { file, tag } = archive;
  const wanted = [tag, nextTagOf(tag)].flatMap(imagesOf);
  const lacking: string[] = [];
  for (const node of harness.nodeNames()) {
    const found = new Set((await ctr(harness, node, 'ls', '-q')).split('\n'));
    if (!wanted.every((image) => found.has(image))) lacking.push(node);
  }
  if (lacking.length === 0) return;
  await harness.call('load', file, ...lacking);
  const [images, next] = [imagesOf(tag), imagesOf(nextTagOf(tag))];
  for (const node of lacking) {
    for (const [index, image] of images.entries()) {
      await ctr(harness, node, 'tag', '--force', image, next[index] as string);
    }
  }
}

/** As containerd calls them. */
function imagesOf(tag: string): string[] {
  return ROLES.map((role) => `docker.io/keelson/${role}:${tag}`);
}

function ctr(harness: Harness, node: string, ...words: readonly string[]): Promise<string> {
  return harness.call('node', 'exec', node, 'ctr', '-n', 'k8s.io', 'images', ...words);
}
