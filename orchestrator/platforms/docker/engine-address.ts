import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DockerOptions } from 'dockerode';
import { KeelsonError, messageOf } from '../../../replica/common/errors.ts';

/** Where an engine is: `unix:///var/run/docker.sock`, `tcp://HOST:2376`, `ssh://USER@HOST`. */
export interface EngineAddress {
  readonly url: string;
  /** Directory with ca.pem, cert.pem and key.pem, as for DOCKER_CERT_PATH; for tcp only. */
  readonly tlsDirectory?: string;
}

export const DEFAULT_ENGINE = 'unix:///var/run/docker.sock';

const PORTS: Readonly<Record<string, number>> = { plain: 2375, tls: 2376, ssh: 22 };

/** Errors: INVALID_ARGUMENT for an address that is none; IO_FAILED for unreadable certificates. */
export function dockerodeOptions({ url, tlsDirectory }: EngineAddress): DockerOptions {
  const parsed = URL.parse(url);
  if (parsed?.protocol === 'unix:' && parsed.pathname.length > 1) {
    return { socketPath: parsed.pathname };
  }
  if (parsed?.protocol === 'tcp:' && parsed.hostname !== '') {
    const isTls = tlsDirectory !== undefined;
    const port = parsed.port || PORTS[isTls ? 'tls' : 'plain'];
    const place = { host: parsed.hostname, port };
    return isTls
      ? { protocol: 'https', ...place, ...readCertificates(tlsDirectory) }
      : { protocol: 'http', ...place };
  }
  if (parsed?.protocol === 'ssh:' && parsed.hostname !== '' && parsed.username !== '') {
    const agent = process.env.SSH_AUTH_SOCK;
    return {
      ...{ protocol: 'ssh', host: parsed.hostname, port: parsed.port || PORTS.ssh },
      username: decodeURIComponent(parsed.username),
      ...(agent === undefined ? {} : { sshOptions: { agent } }),
    };
  }
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `engine ${url.slice(0, 120)}: expected unix:///SOCKET, tcp://HOST:PORT or ssh://USER@HOST`,
  );
}

function readCertificates(directory: string): Pick<DockerOptions, 'ca' | 'cert' | 'key'> {
  const read = (name: string): string => {
    try {
      return readFileSync(join(directory, name), 'utf8');
    } catch (cause) {
      throw new KeelsonError(
        'IO_FAILED',
        `read ${join(directory, name)}: ${messageOf(cause)}; expected ca.pem, cert.pem and key.pem, as docker makes them`,
        { cause },
      );
    }
  };
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}
