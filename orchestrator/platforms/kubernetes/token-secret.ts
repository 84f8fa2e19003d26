import { randomBytes } from 'node:crypto';
import { KeelsonError } from '../../../replica/common/errors.ts';
import type { ApiToken } from '../../api/access.ts';
import type { KubeApi } from '../../kubernetes/kube-api.ts';
import type { Secret } from '../../kubernetes/objects.ts';
import { SECRETS } from '../../kubernetes/resources.ts';
import { NAMES } from './names.ts';

const KEY = 'token';
const TOKEN_BYTES = 32;
const TOKEN = /^[0-9a-f]{64}\n?$/;

/**
 * The token of the installation, in a Secret of the system namespace; made by the first orchestrator.
 * To have another one, delete the Secret and start the orchestrators again.
 *
 * Errors: CORRUPT when it holds something else, which nobody could show; those of KubeApi.
 */
export async function openTokenSecret(api: KubeApi, namespace: string): Promise<ApiToken> {
  const name = { namespace, name: NAMES.apiToken };
  const secret = (await api.get(SECRETS, name)) ?? (await make(api, namespace));
  const text = Buffer.from(secret.data?.[KEY] ?? '', 'base64').toString('latin1');
  const place = `the Secret ${NAMES.apiToken} in namespace ${namespace}`;
  if (TOKEN.test(text)) return { text: text.trim(), place };
  throw new KeelsonError(
    'CORRUPT',
    `read the token in ${place}: expected ${TOKEN_BYTES * 2} digits of hex under "${KEY}", found ` +
      'something else; delete it to have a new one made',
  );
}

async function make(api: KubeApi, namespace: string): Promise<Secret> {
  const metadata = { namespace, name: NAMES.apiToken };
  const text = randomBytes(TOKEN_BYTES).toString('hex');
  const data = { [KEY]: Buffer.from(text, 'latin1').toString('base64') };
  try {
    return await api.create(SECRETS, { metadata, type: 'Opaque', data });
  } catch (error) {
    const isThere = error instanceof KeelsonError && error.code === 'ALREADY_EXISTS';
    const secret = isThere ? await api.get(SECRETS, metadata) : undefined;
    if (secret === undefined) throw error;
    return secret; // another orchestrator's, which was first
  }
}
