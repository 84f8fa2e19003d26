import { KeelsonError } from '../../../replica/common/errors.ts';
import { ORCHESTRATOR_PORT } from '../../../replica/common/limits.ts';
import type { KubeApi } from '../../kubernetes/kube-api.ts';
import { PODS, SERVICES } from '../../kubernetes/resources.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import type { KubernetesOptions } from './kubernetes-options.ts';
import { NAMES } from './names.ts';

/** PREFIX, `orchestrator`, TAG. */
const OWN_IMAGE = /^(.*)orchestrator:(\w[\w.-]{0,127})$/;

/**
 * The images of controllers and replicas: those beside this orchestrator's own, of the same version.
 *
 * Errors: FAILED_PRECONDITION when its own has another name; those of KubeApi.
 */
export async function findImages(
  api: KubeApi,
  { namespace, podName, imagePrefix, imageTag }: KubernetesOptions,
): Promise<Readonly<Record<ProcessSpec['role'], string>>> {
  const own = async (): Promise<RegExpExecArray> => {
    const pod = await api.get(PODS, { namespace, name: podName });
    const image = pod?.spec?.containers?.[0]?.image ?? 'none';
    const match = OWN_IMAGE.exec(image);
    if (match !== null) return match;
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `image of pod ${namespace}/${podName}: expected …orchestrator:TAG, found ${image}; say which ` +
        'images controllers and replicas have with --image-prefix and --image-tag',
    );
  };
  const [, ownPrefix, ownTag] =
    imagePrefix === undefined || imageTag === undefined ? await own() : [];
  const imageOf = (role: string) => `${imagePrefix ?? ownPrefix}${role}:${imageTag ?? ownTag}`;
  return { controller: imageOf('controller'), replica: imageOf('replica') };
}

/**
 * Where controllers find the registry: an address, so that they depend on no DNS.
 *
 * Errors: FAILED_PRECONDITION when its Service is missing; those of KubeApi.
 */
export async function findRegistryUrl(api: KubeApi, namespace: string): Promise<string> {
  const service = await api.get(SERVICES, { namespace, name: NAMES.registry });
  const address = service?.spec?.clusterIP;
  if (address !== undefined && address !== '' && address !== 'None') {
    return `http://${address.includes(':') ? `[${address}]` : address}:${ORCHESTRATOR_PORT}`;
  }
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `Service ${namespace}/${NAMES.registry}: expected one with an address, found ` +
      `${service === undefined ? 'none' : 'one without'}; apply the manifests again`,
  );
}
