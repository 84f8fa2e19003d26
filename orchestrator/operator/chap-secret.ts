import {
  type ChapCredentials,
  type ChapUser,
  whyInvalidChap,
} from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { KubeApi } from '../kubernetes/kube-api.ts';
import type { ObjectName, Secret } from '../kubernetes/objects.ts';
import { SECRETS } from '../kubernetes/resources.ts';
import { NAMES } from '../platforms/kubernetes/names.ts';
import { Refused } from './verdict.ts';

/** As Kubernetes' own iSCSI volumes have them (kubernetes.io/docs, "iscsi"; examples/volumes/iscsi). */
const TYPE = 'kubernetes.io/iscsi-chap';
const KEYS = {
  name: 'node.session.auth.username',
  secret: 'node.session.auth.password',
  mutualName: 'node.session.auth.username_in',
  mutualSecret: 'node.session.auth.password_in',
} as const;

/** Who reads (manifests/kubernetes/base/service-account.yaml). */
const SERVICE_ACCOUNT = 'keelson-orchestrator';

/**
 * Reads what the initiators of a volume must prove.
 *
 * Errors: Refused, in words that show nothing of the Secret; UNAVAILABLE.
 */
export async function readChapSecret(
  api: KubeApi,
  name: ObjectName,
  systemNamespace: string,
): Promise<ChapCredentials> {
  const secret = await getSecret(api, name, systemNamespace);
  if (secret === undefined) {
    throw new Refused(
      'ChapSecretMissing',
      `Secret ${show(name)}: it does not exist; make it, with type ${TYPE}, ` +
        `${KEYS.name} and ${KEYS.secret}`,
    );
  }
  return decodeChapSecret(secret, name);
}

/** Errors: Refused. */
export function decodeChapSecret(secret: Secret, name: ObjectName): ChapCredentials {
  const refuse = (why: string) => new Refused('ChapSecretInvalid', `Secret ${show(name)}: ${why}`);
  if (secret.type !== TYPE) {
    throw refuse(
      `expected type ${TYPE}, got ${secret.type ?? 'none'}; a Secret keeps its type, make it anew`,
    );
  }
  const user = readUser(secret, KEYS.name, KEYS.secret);
  if (user === undefined) throw refuse(`expected both ${KEYS.name} and ${KEYS.secret}`);
  const isMutual = [KEYS.mutualName, KEYS.mutualSecret].some((key) => secret.data?.[key]);
  const mutual = isMutual ? readUser(secret, KEYS.mutualName, KEYS.mutualSecret) : null;
  if (mutual === undefined) {
    throw refuse(`expected both or neither of ${KEYS.mutualName} and ${KEYS.mutualSecret}`);
  }
  const credentials = { users: [user], mutual, allowsShortSecrets: false };
  const why = whyInvalidChap(credentials);
  if (why !== undefined) throw refuse(why);
  return credentials;
}

async function getSecret(
  api: KubeApi,
  name: ObjectName,
  systemNamespace: string,
): Promise<Secret | undefined> {
  try {
    return await api.get(SECRETS, name);
  } catch (error) {
    if (!(error instanceof KeelsonError && error.code === 'FAILED_PRECONDITION')) throw error;
    throw new Refused(
      'ChapSecretForbidden',
      `Secret ${show(name)}: Keelson may not read Secrets of this namespace; allow it: kubectl ` +
        `create rolebinding ${NAMES.chapReader} --namespace ${name.namespace} --clusterrole ` +
        `${NAMES.chapReader} --serviceaccount ${systemNamespace}:${SERVICE_ACCOUNT}`,
    );
  }
}

function readUser(secret: Secret, nameKey: string, secretKey: string): ChapUser | undefined {
  const [name, value] = [nameKey, secretKey].map((key) => {
    return Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
  }) as [string, string];
  return name === '' || value === '' ? undefined : { name, secret: value };
}

function show({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`;
}
