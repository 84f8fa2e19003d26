import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOk } from './child.ts';

/**
 * Fills `directory` with a certificate authority (ca.pem), a server's certificate for `address`
 * (server-cert.pem, server-key.pem) and a client's (cert.pem, key.pem: the names that docker uses).
 */
export async function makeCertificates(directory: string, address: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const path = (name: string) => join(directory, name);
  const openssl = (...words: readonly string[]) => runOk('openssl', words);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-keyout', path('ca-key.pem'), '-out', path('ca.pem')];
  await openssl('req', '-x509', ...newKey, ...authority, '-subj', '/CN=keelson-test', '-days', '2');
  const issue = async (prefix: string, name: string, extensions: string) => {
    const [key, request, certificate] = ['key', 'request', 'cert'].map((what) =>
      path(`${prefix}${what}.pem`),
    ) as [string, string, string];
    const extensionFile = path(`${prefix}extensions`);
    writeFileSync(extensionFile, extensions);
    await openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    const signer = ['-CA', path('ca.pem'), '-CAkey', path('ca-key.pem'), '-CAcreateserial'];
    const result = ['-out', certificate, '-days', '2', '-extfile', extensionFile];
    await openssl('x509', '-req', '-in', request, ...signer, ...result);
  };
  const server = `subjectAltName=IP:${address}\nextendedKeyUsage=serverAuth\n`;
  await issue('server-', 'engine', server);
  await issue('', 'client', 'extendedKeyUsage=clientAuth\n');
}
