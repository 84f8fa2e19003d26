import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dockerodeOptions } from '../../../../../orchestrator/platforms/docker/engine-address.ts';

test('engines are reached by socket, TCP and SSH', () => {
  expect(dockerodeOptions({ url: 'unix:///var/run/docker.sock' })).toEqual({
    socketPath: '/var/run/docker.sock',
  });
  expect(dockerodeOptions({ url: 'tcp://10.0.0.2' })).toEqual({
    ...{ protocol: 'http', host: '10.0.0.2', port: 2375 },
  });
  expect(dockerodeOptions({ url: 'ssh://me@there:2222' })).toMatchObject({
    ...{ protocol: 'ssh', host: 'there', port: '2222', username: 'me' },
  });
});

test('with certificates, TCP is TLS', () => {
  const tlsDirectory = mkdtempSync(join(tmpdir(), 'keelson-tls-'));
  try {
    const address = { url: 'tcp://10.0.0.2', tlsDirectory };
    expect(() => dockerodeOptions(address)).toThrow('expected ca.pem, cert.pem and key.pem');
    for (const name of ['ca', 'cert', 'key'])
      writeFileSync(join(tlsDirectory, `${name}.pem`), name);
    expect(dockerodeOptions(address)).toEqual({
      ...{ protocol: 'https', host: '10.0.0.2', port: 2376, ca: 'ca', cert: 'cert', key: 'key' },
    });
  } finally {
    rmSync(tlsDirectory, { recursive: true });
  }
});

test.each(['', 'docker.sock', 'unix://', 'http://x', 'ssh://x', 'tcp://'])(
  'the address %j is refused',
  (url) => {
    expect(() => dockerodeOptions({ url })).toThrow('expected unix:///SOCKET, tcp://HOST:PORT');
  },
);
