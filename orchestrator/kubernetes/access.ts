import type { Agent, RequestOptions } from 'node:https';
import { KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';

/** How a request proves who it is, and whom it believes. */
export interface Credentials {
  /** The token is in here: never to be shown. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  /** The way through a proxy; undefined: straight there. */
  readonly proxy?: Agent | undefined;
}

export type TlsMaterial = Pick<
  RequestOptions,
  'ca' | 'cert' | 'key' | 'passphrase' | 'rejectUnauthorized' | 'servername'
>;

/** The door to one API server. */
export interface Access {
  /** `https://host:port`, perhaps with a path. */
  readonly server: string;
  /** For the next request: a token of a pod is replaced every hour or so. */
  credentials(): Promise<Credentials>;
}

/**
 * As KUBECONFIG, `~/.kube/config` or the service account of our pod says. The library is loaded here
 * and not at the top, since nobody but us needs it (half a second, 100 MB where it is not bundled);
 * this one file of it, since all else that it has are clients of API groups.
 *
 * Errors: FAILED_PRECONDITION when there is none of them, or it cannot be read.
 */
export async function findAccess(): Promise<Access> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (cause) {
    const message = `read the kubeconfig: ${messageOf(cause)}`;
    throw new KeelsonError('FAILED_PRECONDITION', message, { cause });
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null || cluster.server === NOWHERE) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      'found no Kubernetes cluster: expected KUBECONFIG or ~/.kube/config to name one, or to run in a pod that has a service account token',
    );
  }
  return {
    server: cluster.server,
    credentials: async () => {
      const options: RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (cause) {
        throw withoutSecrets(cause);
      }
      const { ca, cert, key, passphrase, rejectUnauthorized, servername } = options;
      const tls = { ca, cert, key, passphrase, rejectUnauthorized, servername };
      const proxy = cluster.proxyUrl ? (options.agent as Agent) : undefined;
      return { headers: headersOf(options), tls, proxy };
    },
  };
}

/** What the library takes where nothing is configured. */
const NOWHERE = 'http://localhost:8080';

function headersOf({ headers, auth }: RequestOptions): Record<string, string> {
  const basic = auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
  const given = Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]);
  return { ...basic, ...Object.fromEntries(given) };
}

/** Whatever a plugin for credentials has printed may have a token in it. */
function withoutSecrets(cause: unknown): KeelsonError {
  const isOfFile = systemCodeOf(cause) !== undefined;
  const why = isOfFile ? messageOf(cause) : 'what the kubeconfig names for it failed';
  return new KeelsonError('UNAVAILABLE', `get credentials for the Kubernetes API: ${why}`);
}
