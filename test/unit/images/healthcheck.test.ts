import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { run } from '../../support/child.ts';

let status = 200;
let server: Server;
let address: string;

beforeAll(async () => {
  server = createServer(({ url }, response) => {
    response.statusCode = url === '/healthz' ? status : 404;
    response.end();
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
});

test('a program that answers is healthy', async () => {
  expect(await check(address)).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('one that answers anything but 200 is not, and the check says what it got', async () => {
  status = 503;
  const { code, stdout } = await check(address);
  expect(code).toBe(1);
  expect(stdout).toBe(`http://${address}/healthz: expected 200, got 503\n`);
});

test('one that does not answer is not', async () => {
  const { code, stdout } = await check('127.0.0.1:1');
  expect(code).toBe(1);
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:1\/healthz: .*ECONNREFUSED.*\n$/);
});

test.each(['', 'no port:', '127.0.0.1:99999'])(
  'an address like "%s" is refused in one sentence',
  async (text) => {
    const { code, stdout, stderr } = await check(text);
    expect(code).toBe(1);
    expect(stdout).toBe(`KEELSON_HEALTH_ADDRESS: expected HOST:PORT, got ${text}\n`);
    expect(stderr).toBe('');
  },
);

function check(at: string) {
  const environment = { KEELSON_HEALTH_ADDRESS: at };
  return run(process.execPath, ['images/healthcheck.ts'], { environment });
}
