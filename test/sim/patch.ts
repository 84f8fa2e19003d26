import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

/** A change of one file of the product, for the life of one process. */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly find: string;
  readonly replace: string;
}

/**
 * Changes sources as they are loaded, so that the product needs no switches for its tests. Call it
 * before anything of the product is imported.
 */
export function patchSources(patches: readonly Patch[], root: string): void {
  const waiting = new Map(
    patches.map((patch) => [pathToFileURL(`${root}/${patch.file}`).href, [] as Patch[]]),
  );
  for (const patch of patches)
    waiting.get(pathToFileURL(`${root}/${patch.file}`).href)!.push(patch);
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const wanted = waiting.get(url);
      if (wanted === undefined) return loaded;
      return { ...loaded, source: wanted.reduce(applyPatch, String(loaded.source)) };
    },
  });
}

/** Fails when the text is not there exactly once: then the source has changed under the patch. */
export function applyPatch(source: string, { file, find, replace }: Patch): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(`${file}: expected once, got ${parts.length - 1} times: ${find}`);
  }
  return parts.join(replace);
}
