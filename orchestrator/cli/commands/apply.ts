import { KeelsonError } from '../../../replica/common/errors.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { describeManifest } from '../../model/manifest.ts';
import { apply, type Change } from '../apply.ts';
import { type Call, type Command, defineCommand } from '../command.ts';
import { UsageError } from '../errors.ts';
import type { Declared } from '../manifest-file.ts';
import { print } from '../output.ts';
import { waitForVolume } from '../wait-for-volume.ts';
import { readWait, WAIT } from '../wait-options.ts';
import { waitFor } from '../waiting.ts';

interface Applied {
  /** `volume default/data`. */
  readonly what: string;
  readonly change: Change;
}

const applyFiles = defineCommand({
  words: 'apply',
  about: 'make volumes and rules what YAML files say',
  options: {
    file: {
      type: 'list',
      short: 'f',
      value: 'FILE',
      completes: 'file',
      about: '- is standard input; see keelson help manifests',
    },
    namespace: {
      type: 'text',
      short: 'n',
      value: 'NAMESPACE',
      about: 'of documents that name none; default: default',
    },
    ...WAIT,
  },
  details: `All documents are checked before the first is applied, one after the other; the first that is refused
ends it. Nothing is ever deleted.`,
  example: `keelson apply -f volumes.yaml
keelson apply -f - --wait --timeout 10m`,
  async run(call) {
    const { file: paths, namespace } = call.given;
    if (paths.length === 0) throw new UsageError('apply: expected --file FILE', 'apply');
    const timeoutMs = readWait(call.given);
    // Loaded where it is used: the YAML parser would make every other command slower to start.
    const { readManifestFiles } = await import('../manifest-file.ts');
    const { readInput } = call.terminal;
    const declared = await readManifestFiles(paths, { namespace, readInput });
    const client = await call.connect();
    await applyAll(declared, client, call);
    if (timeoutMs === undefined) return;
    for (const { manifest } of declared) {
      if (manifest.kind !== 'Volume') continue;
      await waitFor(waitForVolume(client, manifest), call.terminal, timeoutMs);
    }
  },
});

export const APPLY_COMMANDS: readonly Command[] = [applyFiles];

/** Says what was done even if not all could be. */
async function applyAll(
  declared: readonly Declared[],
  client: ApiClient,
  call: Pick<Call, 'output' | 'terminal'>,
): Promise<void> {
  const applied: Applied[] = [];
  try {
    for (const one of declared) {
      const left = declared.length - applied.length - 1;
      const change = await applyOne(one, client, left);
      applied.push({ what: describeManifest(one.manifest), change });
    }
  } finally {
    const lines = applied.map(({ what, change }) => `${what} ${change}\n`);
    await print(call, applied, { table: lines.join('') });
  }
}

/** @param left how many come after it */
async function applyOne(one: Declared, client: ApiClient, left: number): Promise<Change> {
  try {
    return await apply(one, client);
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    const rest = left === 0 ? '' : `; ${left} more behind it were not applied`;
    throw new KeelsonError(error.code, `${one.where}: ${error.message}${rest}`, { cause: error });
  }
}
