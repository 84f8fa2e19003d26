import { KeelsonError } from '../../../replica/common/errors.ts';
import { DEFAULT_NAMESPACE, parseVolumeName, type VolumeName } from '../../model/volume.ts';

/**
 * Docker knows a volume by one name without a slash. Ours are DNS labels, which contain no dot, so
 * `NAME` is `default/NAME`, and `NAMESPACE.NAME` is that of another namespace.
 *
 * Errors: INVALID_ARGUMENT, saying what a name may be.
 */
export function volumeOf(dockerName: string): VolumeName {
  const parts = dockerName.split('.');
  const [namespace = '', name = ''] = parts.length === 1 ? [DEFAULT_NAMESPACE, ...parts] : parts;
  try {
    if (parts.length > 2) throw invalidName(dockerName);
    return parseVolumeName(`${namespace}/${name}`);
  } catch (cause) {
    throw invalidName(dockerName, cause);
  }
}

/** One volume has one name in Docker: `default.NAME` is accepted, and shown as `NAME`. */
export function dockerNameOf({ namespace, name }: VolumeName): string {
  return namespace === DEFAULT_NAMESPACE ? name : `${namespace}.${name}`;
}

function invalidName(dockerName: string, cause?: unknown): KeelsonError {
  return new KeelsonError(
    'INVALID_ARGUMENT',
    `volume name ${JSON.stringify(dockerName.slice(0, 80))}: expected NAME, or NAMESPACE.NAME for another ` +
      'namespace than default, each of 1 to 63 of a-z, 0-9 and -, not starting or ending with - ' +
      '(Compose puts project_ before a name unless the volume has a name: of its own)',
    { cause },
  );
}
