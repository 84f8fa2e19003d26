import type { VolumeUpdate } from '../../model/update.ts';
import { addressOf } from '../../model/volume.ts';
import { readChapFile } from '../chap-file.ts';
import { type Command, defineCommand, type Given, type Operand, type Options } from '../command.ts';
import { UsageError } from '../errors.ts';
import { showVolume, showVolumes } from '../format.ts';
import { print } from '../output.ts';
import { addressIn, NAMESPACE, NAMESPACE_OR_ALL, nameIn, parseLabels } from '../values.ts';
import { waitForVolume } from '../wait-for-volume.ts';
import { readWait, WAIT } from '../wait-options.ts';
import { waitFor } from '../waiting.ts';
import { watch } from '../watch.ts';

const VOLUME = { value: 'NAME', what: 'volume', count: 'one', completes: 'volume' } as const;

const SIZE = {
  size: { type: 'text', value: 'SIZE', about: '15Gi, 512M, 1.5Ti; a bare number is GiB' },
} as const satisfies Options;

const CHAP_FILE = {
  'chap-file': {
    type: 'text',
    value: 'FILE',
    completes: 'file',
    about: 'who may log in; see keelson help chap',
  },
} as const satisfies Options;

const CHANGES = {
  ...SIZE,
  'label-add': {
    type: 'list',
    value: 'KEY=VALUE',
    completes: 'label',
    about: 'set a label; one that decides something replaces all other names for the same thing',
  },
  'label-rm': { type: 'list', value: 'KEY', about: 'take a label away' },
  ...CHAP_FILE,
  'no-chap': { type: 'flag', about: 'initiators need not prove anything any more' },
} as const satisfies Options;

const create = defineCommand({
  words: 'volume create',
  about: 'make a volume, and print its address',
  operand: { value: 'NAME', what: 'volume', count: 'one' },
  options: {
    ...NAMESPACE,
    size: { ...SIZE.size, about: `${SIZE.size.about}; default: 1Gi` },
    label: {
      type: 'list',
      value: 'KEY=VALUE',
      completes: 'label',
      about: 'decides something, or is kept for you; see keelson help labels',
    },
    ...CHAP_FILE,
    ...WAIT,
  },
  details: `It is there when the command comes back; its copies may still be starting. Asked for once more,
the same volume is found; another one of that name is refused.`,
  example: `keelson volume create --namespace default --label storageos.com/replicas=2 volume-name
keelson volume create --size 10Gi --label keelson.io/replicas=1 --wait team/data`,
  async run(call) {
    const { given, terminal } = call;
    const volume = addressIn(nameIn(call), given.namespace);
    const labels = parseLabels('label', given.label);
    const timeoutMs = readWait(given);
    const chapFile = given['chap-file'];
    const wish = {
      ...{ ...volume, labels },
      ...(given.size === undefined ? {} : { size: given.size }),
      ...(chapFile === undefined ? {} : { chap: await readChapFile(chapFile) }),
    };
    const client = await call.connect();
    let view = await client.createVolume(wish);
    if (timeoutMs !== undefined) {
      await waitFor(waitForVolume(client, volume), terminal, timeoutMs);
      view = await client.volume(volume);
    }
    await print(call, view, { table: `${addressOf(volume)}\n` });
  },
});

const update = defineCommand({
  words: 'volume update',
  about: 'change a volume in use: its size, labels, and who may log in',
  operand: VOLUME,
  options: { ...NAMESPACE, ...CHANGES, ...WAIT },
  details: `A volume grows and never shrinks. New logins go by changed CHAP credentials at once; sessions that are
there stay.`,
  example: `keelson volume update --label-add storageos.feature.replicas=2 default/volume-name
keelson volume update --size 20Gi --label-rm env --wait default/data`,
  async run(call) {
    const { given, terminal } = call;
    const volume = addressIn(nameIn(call), given.namespace);
    const timeoutMs = readWait(given);
    const changes = await readChanges(given);
    const client = await call.connect();
    let view = await client.updateVolume(volume, changes);
    if (timeoutMs !== undefined) {
      await waitFor(waitForVolume(client, volume), terminal, timeoutMs);
      view = await client.volume(volume);
    }
    await print(call, view, { table: `${addressOf(volume)}\n` });
  },
});

const ls = defineCommand({
  words: 'volume ls',
  about: 'list volumes',
  options: {
    ...NAMESPACE_OR_ALL,
    selector: {
      type: 'text',
      short: 'l',
      value: 'SELECTOR',
      about: 'only those with these labels: env==prod,tier!=db,owner,!old',
    },
  },
  details:
    'With -o wide also the nodes of the copies: * is the primary, others say so unless in sync.',
  example: `keelson volume ls --namespace default --selector env==prod -o wide`,
  async run(call) {
    const { namespace, selector } = call.given;
    const client = await call.connect();
    const volumes = await client.volumes({ namespace, selector });
    await print(call, volumes, showVolumes(volumes));
  },
});

const inspect = defineCommand({
  words: 'volume inspect',
  about: 'tell everything about a volume',
  operand: VOLUME,
  options: NAMESPACE,
  example: 'keelson volume inspect default/volume-name -o yaml',
  async run(call) {
    const name = addressIn(nameIn(call), call.given.namespace);
    const client = await call.connect();
    const volume = await client.volume(name);
    await print(call, volume, showVolume(volume));
  },
});

const rm = defineCommand({
  words: 'volume rm',
  about: 'delete a volume and its data',
  operand: VOLUME,
  options: {
    ...NAMESPACE,
    force: { type: 'flag', short: 'f', about: 'even while initiators are logged in' },
  },
  example: 'keelson volume rm default/volume-name',
  async run(call) {
    const volume = addressIn(nameIn(call), call.given.namespace);
    const client = await call.connect();
    await client.deleteVolume(volume, { isForced: call.given.force });
    await print(call, { deleted: addressOf(volume) }, { table: `${addressOf(volume)}\n` });
  },
});

const watchVolumes = defineCommand({
  words: 'volume watch',
  about: 'show volumes, what happens to them, and the progress of syncs, until Ctrl-C',
  operand: { ...VOLUME, count: 'optional' } as const satisfies Operand,
  options: { namespace: { ...NAMESPACE_OR_ALL.namespace, about: 'without a NAME; default: all' } },
  example: 'keelson volume watch default/volume-name',
  async run(call) {
    const [name] = call.names;
    const { namespace } = call.given;
    const subject = name === undefined ? { namespace } : { volume: addressIn(name, namespace) };
    await watch(subject, call);
  },
});

export const VOLUME_COMMANDS: readonly Command[] = [create, update, ls, inspect, rm, watchVolumes];

/** Errors: UsageError when nothing is to change; those of reading the CHAP file. */
async function readChanges(given: Given<typeof CHANGES>): Promise<VolumeUpdate> {
  const labelsAdd = parseLabels('label-add', given['label-add']);
  const labelsRemove = given['label-rm'];
  const { size, 'chap-file': chapFile, 'no-chap': isChapless } = given;
  if (isChapless && chapFile !== undefined) {
    throw new UsageError('give --chap-file or --no-chap, not both', update.words);
  }
  const labelCount = Object.keys(labelsAdd).length + labelsRemove.length;
  if (labelCount === 0 && size === undefined && chapFile === undefined && !isChapless) {
    const options = Object.keys(CHANGES).map((name) => `--${name}`);
    throw new UsageError(`volume update: expected one of ${options.join(', ')}`, update.words);
  }
  return {
    ...{ labelsAdd, labelsRemove },
    ...(size === undefined ? {} : { size }),
    ...(isChapless ? { chap: null } : {}),
    ...(chapFile === undefined ? {} : { chap: await readChapFile(chapFile) }),
  };
}
