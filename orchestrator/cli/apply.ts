import { KeelsonError } from '../../replica/common/errors.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { VolumeManifest } from '../model/manifest.ts';
import type { RuleFields } from '../model/rule.ts';
import { parseSize } from '../model/size.ts';
import type { VolumeUpdate } from '../model/update.ts';
import type { VolumeView } from '../model/view.ts';
import type { Declared } from './manifest-file.ts';

/** What had to be done to make it so. */
export type Change = 'created' | 'updated' | 'unchanged';

/**
 * Makes one volume or rule what its document says. The document says all of it: labels that it does
 * not have are taken away. Only size and CHAP stay as they are when it does not speak of them: what
 * was grown or protected by hand must not be undone by leaving a line out. Defaults and placement count
 * for a new volume alone.
 *
 * Errors: those of the client.
 */
export function apply({ manifest, chap }: Declared, client: ApiClient): Promise<Change> {
  if (manifest.kind === 'Rule') return applyRule(manifest.rule, client);
  return applyVolume(manifest, chap, client);
}

async function applyVolume(
  manifest: VolumeManifest,
  chap: Declared['chap'],
  client: ApiClient,
): Promise<Change> {
  const { namespace, name, labels, size } = manifest;
  const existing = await found(client.volume({ namespace, name }));
  const wish = { namespace, name, labels, ...(chap === undefined ? {} : { chap }) };
  if (existing === undefined) {
    const { defaults, preferredNode } = manifest;
    await client.createVolume({
      ...wish,
      ...(size === undefined ? {} : { size }),
      ...(defaults === undefined ? {} : { defaults }),
      ...(preferredNode === undefined ? {} : { preferredNode }),
    });
    return 'created';
  }
  const difference = differenceOf(existing, manifest);
  if (difference === undefined && chap === undefined) return 'unchanged';
  if (difference === undefined && (await isFound(client, existing, wish))) return 'unchanged';
  const update = difference ?? { labelsAdd: {}, labelsRemove: [] };
  await client.updateVolume(
    { namespace, name },
    { ...update, ...(chap === undefined ? {} : { chap }) },
  );
  return 'updated';
}

/** Credentials are never shown: only whether asking for the same volume finds it tells of them. */
async function isFound(
  client: ApiClient,
  { sizeBytes }: VolumeView,
  wish: Parameters<ApiClient['createVolume']>[0],
): Promise<boolean> {
  try {
    await client.createVolume({ ...wish, size: `${sizeBytes / 1024}Ki` });
    return true;
  } catch (error) {
    if (error instanceof KeelsonError && error.code === 'ALREADY_EXISTS') return false;
    throw error;
  }
}

/** What makes the labels and the size of `existing` those of the manifest; undefined: nothing. */
function differenceOf(
  existing: VolumeView,
  { labels, size }: VolumeManifest,
): VolumeUpdate | undefined {
  const labelsAdd = Object.fromEntries(
    Object.entries(labels).filter(([label, value]) => existing.labels[label] !== value),
  );
  const labelsRemove = Object.keys(existing.labels).filter(
    (label) => !Object.hasOwn(labels, label),
  );
  const isSized = size === undefined || parseSize(size) === existing.sizeBytes;
  const isSame = Object.keys(labelsAdd).length + labelsRemove.length === 0 && isSized;
  if (isSame) return undefined;
  return { labelsAdd, labelsRemove, ...(isSized ? {} : { size }) };
}

async function applyRule(rule: RuleFields, client: ApiClient): Promise<Change> {
  const existing = await found(client.rule(rule));
  if (existing !== undefined && whatCounts(existing) === whatCounts(rule)) return 'unchanged';
  await client.putRule(rule);
  return existing === undefined ? 'created' : 'updated';
}

function whatCounts({ selector, action, labels, weight }: RuleFields): string {
  return JSON.stringify([selector, action, Object.entries(labels).sort(), weight]);
}

async function found<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KeelsonError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
