import { ROLES } from '../../images/bundle.ts';
import { run } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';

let dockerd: Dockerd;
beforeAll(async () => {
  dockerd = await startDockerd();
});
afterAll(() => dockerd?.stop());

test('npm run images makes the base once, builds all three without a registry, and shows a table', async () => {
  const script = (...words: readonly string[]) =>
    run('npm', ['run', '-s', ...words], {
      environment: { DOCKER_HOST: `unix://${dockerd.socketPath}` },
      timeoutMs: 180_000,
    });
  const unknown = await script('images', '--', '--base', 'keelson-none:1');
  expect(unknown.code).toBe(1);
  expect(unknown.stderr).toMatch(
    /^base image keelson-none:1: [^\n]+ npm run images:base, [^\n]+\n$/,
  );
  await script('images:base');
  expect(await script('images:base')).toMatchObject({
    ...{ code: 0, stdout: 'keelson-base:local was there already, with this content\n' },
  });
  const built = await script('images', '--', '--base', 'keelson-base:local', '--tag', 'built');
  expect(built).toMatchObject({ code: 0, stderr: '' });
  process.stderr.write(built.stdout);
  const row = (role: string) => `keelson/${role}:built +\\d+ MB +\\d+ ms +\\d+ ms\n`;
  expect(built.stdout).toMatch(new RegExp(`^image .*\n${ROLES.map(row).join('')}$`));
});

test('npm run images without an engine says so in one sentence', async () => {
  const { code, stderr } = await run('npm', ['run', '-s', 'images'], {
    environment: { DOCKER_HOST: 'unix:///nowhere/docker.sock' },
  });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^no Docker engine answers on unix:\/\/\/nowhere\/docker.sock [^\n]+\n$/);
});
