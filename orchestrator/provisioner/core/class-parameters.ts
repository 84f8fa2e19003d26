import { KeelsonError } from '../../../replica/common/errors.ts';
import { decodePolicyLabels, type Labels, labelFamily } from '../../model/labels.ts';

/** What the parameters of a StorageClass say (S30). */
export interface ClassParameters {
  /** Labels that count where neither the claim nor a rule says anything. */
  readonly defaults: Labels;
  readonly fsType: string;
  /** A Secret in each claim's own namespace; undefined: initiators prove nothing. */
  readonly chapSecretName: string | undefined;
}

/** Parameters that say what a label says: spelled like the fields of a Volume. */
const LABEL_OF_PARAMETER: Readonly<Record<string, string>> = {
  replicas: 'keelson.io/replicas',
  failureMode: 'keelson.io/failure-mode',
  failureTolerance: 'keelson.io/failure-tolerance',
  initiators: 'keelson.io/initiators',
  sanitize: 'keelson.io/sanitize',
};

/** Ours, and what classes of other provisioners call it. */
const FS_TYPE_PARAMETERS = ['fsType', 'csi.storage.k8s.io/fstype'] as const;
const CHAP_PARAMETER = 'chapSecretName';

/** Those that Kubernetes makes and mounts itself. */
const FS_TYPES: readonly string[] = ['ext4', 'ext3', 'ext2', 'xfs', 'btrfs'];
const DEFAULT_FS_TYPE = 'ext4';

/** RFC 1123 subdomain: the name of an object. */
const OBJECT_NAME =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Nothing is ignored: a parameter that is not known may be a misspelt one. Errors: INVALID_ARGUMENT. */
export function readClassParameters(parameters: Readonly<Record<string, string>>): ClassParameters {
  const labels = new Map<string, string>();
  for (const [name, value] of Object.entries(parameters)) {
    if (isOf(FS_TYPE_PARAMETERS, name) || name === CHAP_PARAMETER) continue;
    const label = Object.hasOwn(LABEL_OF_PARAMETER, name) ? LABEL_OF_PARAMETER[name] : name;
    if (label === undefined || !knownLabels().includes(label)) throw unknownParameter(name);
    const other = labels.get(label);
    if (other !== undefined && other !== value) {
      throw invalid(`${label} is given twice, as ${other} and as ${value}; give only one of them`);
    }
    labels.set(label, value);
  }
  const chapSecretName = parameters[CHAP_PARAMETER];
  if (chapSecretName !== undefined && !OBJECT_NAME.test(chapSecretName)) {
    throw invalid(`${CHAP_PARAMETER}: expected the name of a Secret, got ${shown(chapSecretName)}`);
  }
  return { defaults: readDefaults(labels), fsType: readFsType(parameters), chapSecretName };
}

function readDefaults(labels: ReadonlyMap<string, string>): Labels {
  try {
    return decodePolicyLabels(Object.fromEntries(labels));
  } catch (cause) {
    if (!(cause instanceof KeelsonError)) throw cause;
    throw invalid(cause.message);
  }
}

function readFsType(parameters: Readonly<Record<string, string>>): string {
  const given = FS_TYPE_PARAMETERS.flatMap((name) => parameters[name] ?? []);
  const [fsType = DEFAULT_FS_TYPE, other = fsType] = given;
  if (other !== fsType) {
    throw invalid(`${FS_TYPE_PARAMETERS.join(' and ')} disagree; give only one of them`);
  }
  if (FS_TYPES.includes(fsType)) return fsType;
  throw invalid(`fsType: expected one of ${FS_TYPES.join(', ')}, got ${shown(fsType)}`);
}

function unknownParameter(name: string): KeelsonError {
  const known = [
    ...Object.keys(LABEL_OF_PARAMETER),
    ...FS_TYPE_PARAMETERS,
    CHAP_PARAMETER,
    ...knownLabels(),
  ];
  return invalid(`${shown(name)} is not known; expected one of ${known.join(', ')}`);
}

/** Each of ours and all its other names. */
function knownLabels(): readonly string[] {
  return Object.values(LABEL_OF_PARAMETER).flatMap(labelFamily);
}

function isOf(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

function shown(value: string): string {
  return JSON.stringify(value.slice(0, 80));
}

function invalid(reason: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `parameters: ${reason}`);
}
