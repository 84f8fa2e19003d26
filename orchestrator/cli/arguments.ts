import { parseArgs } from 'node:util';
import { messageOf } from '../../replica/common/errors.ts';
import { parseVolumeName, type VolumeName } from '../model/volume.ts';

/** What the command line asks for. */
export type Command = { readonly api: string; readonly output: 'table' | 'json' } & Verb;

type Verb =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'volume create';
      readonly volume: VolumeName;
      readonly size?: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly chapFile?: string;
    }
  | { readonly kind: 'volume ls'; readonly namespace?: string }
  | { readonly kind: 'volume inspect'; readonly volume: VolumeName }
  | {
      readonly kind: 'volume update';
      readonly volume: VolumeName;
      readonly labelsAdd: Readonly<Record<string, string>>;
      readonly labelsRemove: readonly string[];
      readonly size?: string;
      /** Null: initiators need not prove anything any more. */
      readonly chapFile?: string | null;
    }
  | { readonly kind: 'volume rm'; readonly volume: VolumeName; readonly isForced: boolean }
  | { readonly kind: 'volume watch'; readonly volume?: VolumeName }
  | { readonly kind: 'chap secret' }
  | { readonly kind: 'node ls' }
  | { readonly kind: 'node cordon' | 'node uncordon'; readonly node: string };

export const DEFAULT_API = 'http://127.0.0.1:5705';

export const HELP = `keelson - replicated block volumes

  keelson volume create [--size 1Gi] [--label KEY=VALUE]... [--chap-file FILE] NAME
  keelson volume ls
  keelson volume inspect NAME
  keelson volume update [--size 2Gi] [--label-add KEY=VALUE]... [--label-rm KEY]...
                        [--chap-file FILE | --no-chap] NAME
  keelson volume rm [--force] NAME
  keelson volume watch [NAME]
  keelson chap secret               prints a new random secret
  keelson node ls
  keelson node cordon NODE          no new copies there; those that it has stay
  keelson node uncordon NODE

NAME is NAME or NAMESPACE/NAME. An update acts on the live volume; a label that decides something
takes the place of every other name for the same thing.

  -n, --namespace NAMESPACE   default: default (ls: all)
  -o, --output table|json     default: table
      --api URL               default: $KEELSON_API or ${DEFAULT_API}

Labels that decide something:
  keelson.io/replicas=0..5             copies besides the first, default 0
  keelson.io/failure-mode=soft|hard|alwayson
  keelson.io/failure-tolerance=0..4    copies that may be missing in soft mode
  keelson.io/initiators=NAME,NAME...   iSCSI names that may log in, default all
  keelson.io/sanitize=allow|refuse     SANITIZE erases the volume for good, default refuse
Names from StorageOS do the same: storageos.com/replicas, storageos.feature.replicas,
storageos.com/failure.mode, storageos.com/failure.tolerance.

CHAP: with a --chap-file only initiators that know a secret log in, discovery included. New logins go
by a change at once; sessions that are there stay. The file is for its owner alone (chmod 600):
  user NAME SECRET                     may log in; several lines are several users. NAME and SECRET are
                                       node.session.auth.username and .password of open-iscsi
  mutual-user NAME SECRET              what the target proves itself with to initiators that ask:
                                       node.session.auth.username_in and .password_in
  allow-short-secrets                  secrets below 12 bytes, where IPsec protects the network
`;

/** The command line does not say what to do: exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(`${message}; see keelson --help`);
    this.name = 'UsageError';
  }
}

const OPTIONS = {
  namespace: { type: 'string', short: 'n' },
  output: { type: 'string', short: 'o' },
  api: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  size: { type: 'string' },
  label: { type: 'string', multiple: true },
  'label-add': { type: 'string', multiple: true },
  'label-rm': { type: 'string', multiple: true },
  'chap-file': { type: 'string' },
  'no-chap': { type: 'boolean' },
  force: { type: 'boolean', short: 'f' },
} as const;

type Values = ReturnType<typeof parseValues>['values'];

/** Options that every command takes, and those that only some do. */
const COMMON: readonly string[] = ['output', 'api', 'help'];
const OWN: Readonly<Record<string, readonly string[]>> = {
  'volume create': ['namespace', 'size', 'label', 'chap-file'],
  'volume ls': ['namespace'],
  'volume inspect': ['namespace'],
  'volume update': ['namespace', 'size', 'label-add', 'label-rm', 'chap-file', 'no-chap'],
  'volume rm': ['namespace', 'force'],
  'volume watch': ['namespace'],
  'chap secret': [],
  'node ls': [],
  'node cordon': [],
  'node uncordon': [],
};

/** Errors: UsageError; INVALID_ARGUMENT for a volume name that is none. */
export function parseCommand(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  const { values, positionals } = parseValues(words);
  const output = values.output ?? 'table';
  if (output !== 'table' && output !== 'json') {
    throw new UsageError(`--output: expected table or json, got ${output}`);
  }
  const api = values.api ?? environment.KEELSON_API ?? DEFAULT_API;
  if (!URL.canParse(api)) throw new UsageError(`--api: expected a URL, got ${api}`);
  const isHelp = values.help === true || positionals.length === 0 || positionals[0] === 'help';
  const verb: Verb = isHelp ? { kind: 'help' } : parseVerb(positionals, values);
  return { ...verb, api, output };
}

function parseValues(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error).split('. ')[0] ?? 'unknown option');
  }
}

function parseVerb(positionals: readonly string[], values: Values): Verb {
  const [noun = '', action = '', ...names] = positionals;
  const kind = `${noun} ${action}`.trim();
  const own = OWN[kind];
  if (own === undefined) throw new UsageError(`unknown command: ${kind}`);
  const foreign = Object.keys(values).find((name) => !COMMON.includes(name) && !own.includes(name));
  if (foreign !== undefined) throw new UsageError(`${kind} takes no --${foreign}`);
  const { namespace } = values;
  switch (kind) {
    case 'volume create':
      return {
        kind,
        volume: theVolume(kind, names, namespace),
        labels: parseLabels('label', values.label ?? []),
        ...(values.size === undefined ? {} : { size: values.size }),
        ...(values['chap-file'] === undefined ? {} : { chapFile: values['chap-file'] }),
      };
    case 'volume update':
      return { kind, volume: theVolume(kind, names, namespace), ...parseChanges(values) };
    case 'volume inspect':
      return { kind, volume: theVolume(kind, names, namespace) };
    case 'volume rm':
      return {
        kind,
        volume: theVolume(kind, names, namespace),
        isForced: values.force === true,
      };
    case 'volume watch':
      if (names.length === 0) return { kind };
      return { kind, volume: theVolume(kind, names, namespace) };
    case 'volume ls':
      refuseNames(kind, names);
      return namespace === undefined ? { kind } : { kind, namespace };
    case 'node cordon':
    case 'node uncordon':
      return { kind, node: theOnly('node', kind, names) };
    case 'chap secret':
      refuseNames(kind, names);
      return { kind };
    default:
      refuseNames(kind, names);
      return { kind: 'node ls' };
  }
}

function theVolume(
  kind: string,
  names: readonly string[],
  namespace: string | undefined,
): VolumeName {
  const name = theOnly('volume', kind, names);
  if (namespace !== undefined && name.includes('/')) {
    throw new UsageError(`${kind}: give the namespace once, in ${name} or as --namespace`);
  }
  return parseVolumeName(name, namespace);
}

function theOnly(what: string, kind: string, names: readonly string[]): string {
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  throw new UsageError(`${kind}: expected one ${what}, got ${names.length}`);
}

function refuseNames(kind: string, names: readonly string[]): void {
  if (names.length > 0) throw new UsageError(`${kind} takes no name, got ${names.join(' ')}`);
}

function parseChanges(values: Values) {
  const labelsAdd = parseLabels('label-add', values['label-add'] ?? []);
  const labelsRemove = values['label-rm'] ?? [];
  const chapFile = parseChap(values);
  const { size } = values;
  const labelCount = Object.keys(labelsAdd).length + labelsRemove.length;
  if (labelCount === 0 && chapFile === undefined && size === undefined) {
    throw new UsageError(
      'volume update: expected --size SIZE, --label-add KEY=VALUE, --label-rm KEY, --chap-file FILE or --no-chap',
    );
  }
  return {
    ...{ labelsAdd, labelsRemove },
    ...(size === undefined ? {} : { size }),
    ...(chapFile === undefined ? {} : { chapFile }),
  };
}

function parseChap(values: Values): string | null | undefined {
  const file = values['chap-file'];
  if (values['no-chap'] !== true) return file;
  if (file === undefined) return null;
  throw new UsageError('volume update: give --chap-file or --no-chap, not both');
}

function parseLabels(option: string, texts: readonly string[]): Record<string, string> {
  const labels = new Map<string, string>();
  for (const text of texts) {
    const separatorIndex = text.indexOf('=');
    if (separatorIndex < 1) throw new UsageError(`--${option}: expected KEY=VALUE, got ${text}`);
    const key = text.slice(0, separatorIndex);
    const value = text.slice(separatorIndex + 1);
    const other = labels.get(key);
    if (other !== undefined && other !== value) {
      throw new UsageError(`--${option} ${key}: given as ${other} and as ${value}`);
    }
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}
