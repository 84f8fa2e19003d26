import { KeelsonError } from '../../../replica/common/errors.ts';
import { decodeLabels, type Labels, policyFieldOf, readPolicyLabels } from '../../model/labels.ts';
import { parseSize } from '../../model/size.ts';
import type { VolumeName } from '../../model/volume.ts';
import { DEFAULT_FILE_SYSTEM, FILE_SYSTEMS, type FileSystem } from './contents.ts';
import { dockerNameOf } from './names.ts';
import type { Options } from './plugin-request.ts';

/**
 * Keeps with the volume which file system it is to get, for whichever host mounts it first. The
 * prefix is not keelson.io, because the orchestrator does not act on it.
 */
export const FILE_SYSTEM_LABEL = 'docker.keelson.io/fs';

/** What Docker's options ask for. */
export interface CreateWish {
  readonly size?: string;
  readonly labels: Labels;
  /** Below the volume's own labels, and below rules (S30). */
  readonly defaults: Labels;
}

/** What people write who know other drivers; as a label it would be kept and do nothing. */
const MEANT: Readonly<Record<string, string>> = {
  replicas: 'keelson.io/replicas',
  'failure-mode': 'keelson.io/failure-mode',
  'failure.mode': 'keelson.io/failure-mode',
  'failure-tolerance': 'keelson.io/failure-tolerance',
  'failure.tolerance': 'keelson.io/failure-tolerance',
  fstype: 'fs',
  filesystem: 'fs',
  type: 'fs',
};

/**
 * Reads the options of a creation: `size`, `namespace` and `fs`; every other one is a label.
 *
 * @param defaults what the driver was started with
 *
 * Errors: INVALID_ARGUMENT, naming the option.
 */
export function readCreateOptions(
  volume: VolumeName,
  options: Options,
  defaults: Options,
): CreateWish {
  checkOptions(options);
  const policy = Object.entries(defaults).filter(([name]) => policyFieldOf(name) !== undefined);
  const others = Object.entries(defaults).filter(([name]) => policyFieldOf(name) === undefined);
  const { size, namespace, fs, ...labels } = { ...Object.fromEntries(others), ...options };
  if (namespace !== undefined && namespace !== volume.namespace) {
    const name = dockerNameOf({ namespace, name: volume.name });
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `option namespace=${namespace}: Docker asks for a volume by its name alone, so this one is ` +
        `named ${name}; run docker volume create with that name`,
    );
  }
  if (size !== undefined) parseSize(size);
  return {
    labels: { ...labels, ...(fs === undefined ? {} : { [FILE_SYSTEM_LABEL]: fs }) },
    defaults: Object.fromEntries(policy),
    ...(size === undefined ? {} : { size }),
  };
}

/** Errors: INVALID_ARGUMENT, as for options; a namespace cannot be a default. */
export function checkDefaults(defaults: Options): void {
  checkOptions(defaults);
  const { size, namespace, fs: _, ...labels } = defaults;
  if (size !== undefined) parseSize(size);
  readPolicyLabels(decodeLabels(labels));
  if (namespace !== undefined) {
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      'option namespace: it is no default, since each volume has it in its name, NAMESPACE.NAME',
    );
  }
}

/** The file system that a volume is to get. Errors: INVALID_ARGUMENT, naming the label. */
export function fileSystemOf(labels: Labels): FileSystem {
  const wanted = labels[FILE_SYSTEM_LABEL] ?? DEFAULT_FILE_SYSTEM;
  return fileSystemNamed(`label ${FILE_SYSTEM_LABEL}`, wanted);
}

function checkOptions(options: Options): void {
  for (const [name, value] of Object.entries(options)) {
    const meant = Object.hasOwn(MEANT, name) ? MEANT[name] : undefined;
    if (meant !== undefined) {
      throw new KeelsonError(
        'INVALID_ARGUMENT',
        `option ${name}: not known; did you mean ${meant}=${value.slice(0, 80)}?`,
      );
    }
    if (name === 'fs') fileSystemNamed('option fs', value);
  }
}

function fileSystemNamed(what: string, name: string): FileSystem {
  const found = FILE_SYSTEMS.find((candidate) => candidate === name);
  if (found !== undefined) return found;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `${what}: expected ${FILE_SYSTEMS.join(' or ')}, got ${JSON.stringify(name.slice(0, 80))}`,
  );
}
