import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, type Finished, run, runOk } from '../support/child.ts';
import { type Keelson, NODE, ROOT, startKeelson } from '../support/keelson.ts';

/** Who may log in, with libiscsi as the initiator. Each test goes on where the last one ended. */
const NAME = { namespace: 'default', name: 'locked' };
const TARGET = 'iqn.2026-11.io.keelson:default.locked';
const PORTAL = '127.0.1.1:3260';
const ADMIN = 'http://127.0.1.1:3261';
const FIRST = 'first-secret-of-alice';
const SECOND = 'second-secret-of-alice';
const MUTUAL = 'secret-of-the-target';
const INITIATOR = 'iqn.2026-11.com.example:host1';

let keelson: Keelson;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-access-'));
  keelson = await startKeelson({ nodes: 1, isEmpty: true });
});
afterAll(async () => {
  await keelson?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('a volume with CHAP lets in who knows the secret, for discovery and for I/O', async () => {
  await cli('volume', 'create', '--size', '64Mi', '--chap-file', chapFile(FIRST), NAME.name);
  expect(await cli('volume', 'inspect', NAME.name)).toMatch(/CHAP: +one-way\nInitiators: +all\n/);
  expect(await inquire(`alice%${FIRST}`)).toMatchObject({ code: 0 });
  const listed = await run('iscsi-ls', ['-s', `iscsi://alice%${FIRST}@${PORTAL}`]);
  expect(listed.stdout).toContain(`Target:${TARGET}`);
  expect(listed.stdout).toContain('Lun:0');
});

test.each<[string, string | undefined, string]>([
  ['a wrong secret', `alice%${SECOND}`, 'wrong-credentials'],
  ['a user that nobody knows', `bob%${FIRST}`, 'wrong-credentials'],
  ['nothing to show', undefined, 'authentication-required'],
])(
  'a login with %s is refused, told as an authentication failure, counted and logged',
  async (_, user, why) => {
    const before = await refusals();
    const { code, stdout, stderr } = await inquire(user);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(/Authentication failure|\(513\)|0201/i);
    expect((await refusals())[why]).toBe((before[why] ?? 0) + 1);
    const { code: discovery } = await run('iscsi-ls', [
      `iscsi://${user === undefined ? '' : `${user}@`}${PORTAL}`,
    ]);
    expect(discovery).not.toBe(0);
    const line = await lastRefusal(why);
    expect(line).toMatchObject({ level: 'warn', why, peer: expect.stringContaining('127.0.') });
  },
);

test('another target than ours is refused and counted', async () => {
  const before = await refusals();
  const { code } = await run('iscsi-inq', [
    `iscsi://alice%${FIRST}@${PORTAL}/iqn.2026-11.io.keelson:default.other/0`,
  ]);
  expect(code).not.toBe(0);
  expect((await refusals())['unknown-target']).toBe((before['unknown-target'] ?? 0) + 1);
});

test('a changed secret counts for new logins at once, and the session that is there stays', async () => {
  const logged = openSession(`alice%${FIRST}`);
  await eventually('the session is there', async () =>
    (await keelson.api.volume(NAME)).controller.sessions === 1 ? true : undefined,
  );
  const { pid } = keelson.controller();
  await cli('volume', 'update', '--chap-file', chapFile(SECOND, MUTUAL), NAME.name);
  await eventually('the new secret counts', async () =>
    (await inquire(`alice%${SECOND}`)).code === 0 ? true : undefined,
  );
  expect((await inquire(`alice%${FIRST}`)).code).not.toBe(0);
  expect(await logged).toMatchObject({ code: 0 });
  expect(keelson.controller().pid).toBe(pid);
});

test('the target proves itself to an initiator that asks for it, and to no other secret', async () => {
  expect(await cli('volume', 'inspect', NAME.name)).toMatch(/CHAP: +mutual\n/);
  const asking = (user: string, secret: string) =>
    inquire(`alice%${SECOND}`, {
      LIBISCSI_CHAP_TARGET_USERNAME: user,
      LIBISCSI_CHAP_TARGET_PASSWORD: secret,
    });
  expect(await asking('keelson', MUTUAL)).toMatchObject({ code: 0 });
  expect((await asking('keelson', 'secret-of-a-stranger')).code).not.toBe(0);
  // Mutual CHAP is the initiator's choice: one that asks for nothing logs in as before.
  expect((await inquire(`alice%${SECOND}`)).code).toBe(0);
});

test('only initiators on the list log in, and without CHAP that is all that is asked', async () => {
  const list = `keelson.io/initiators=${INITIATOR.toUpperCase()}`;
  await cli('volume', 'update', '--no-chap', '--label-add', list, NAME.name);
  await eventually('the list counts', async () =>
    (await inquire(undefined)).code !== 0 ? true : undefined,
  );
  const inspected = await cli('volume', 'inspect', NAME.name);
  expect(inspected).toMatch(new RegExp(`CHAP: +none\nInitiators: +${INITIATOR}\n`));
  const before = await refusals();
  expect((await inquire(undefined, {}, INITIATOR)).code).toBe(0);
  expect((await inquire(undefined, {}, `${INITIATOR}2`)).code).not.toBe(0);
  expect((await refusals())['initiator-not-allowed']).toBe(
    (before['initiator-not-allowed'] ?? 0) + 1,
  );
  const line = await lastRefusal('initiator-not-allowed');
  expect(line).toMatchObject({ initiator: `${INITIATOR}2` });
});

test('SANITIZE is there from the command on that follows a change of its label', async () => {
  expect(await trySanitize()).toContain('SANITIZE BLOCK_ERASE is not implemented');
  await cli('volume', 'update', '--label-add', 'keelson.io/sanitize=allow', NAME.name);
  await eventually('the volume allows SANITIZE', async () =>
    (await trySanitize()).includes('Read was successful after SANITIZE') ? true : undefined,
  );
});

test('no secret is in a log, an answer, a command line or an environment', async () => {
  await cli('volume', 'update', '--chap-file', chapFile(FIRST, MUTUAL), NAME.name);
  await eventually('the secret counts', async () =>
    (await inquire(`alice%${FIRST}`, {}, INITIATOR)).code === 0 ? true : undefined,
  );
  const logs = join(keelson.dataDir, 'logs');
  const pages = ['/status', '/metrics', '/healthz', '/readyz'].map((path) => `${ADMIN}${path}`);
  const calls = [
    '/v1/volumes',
    '/v1/volumes/default/locked',
    '/v1/nodes',
    '/v1/registry/default/locked',
  ];
  const urls = [...pages, ...calls.map((path) => `http://127.0.0.1:5705${path}`)];
  const shown = [
    keelson.output(),
    ...readdirSync(logs).map((name) => readFileSync(join(logs, name), 'utf8')),
    ...(await Promise.all(urls.map(async (url) => (await fetch(url)).text()))),
    ...keelson
      .processes()
      .flatMap(({ pid, command }) => [command, readFileSync(`/proc/${pid}/environ`, 'utf8')]),
  ];
  expect(shown.length).toBeGreaterThan(12);
  expect(shown.filter((text) => /secret-of-/.test(text))).toEqual([]);
  expect((await keelson.status()).target).toMatchObject({ chap: 'mutual' });
});

function chapFile(secret: string, mutual?: string): string {
  const path = join(directory, 'chap');
  const lines = [
    `user alice ${secret}`,
    ...(mutual === undefined ? [] : [`mutual-user keelson ${mutual}`]),
  ];
  writeFileSync(path, lines.join('\n'), { mode: 0o600 });
  return path;
}

function cli(...words: string[]): Promise<string> {
  return runOk(NODE, ['orchestrator/cli/main.ts', ...words], { cwd: ROOT });
}

/** @param user NAME%SECRET, as libiscsi's URLs have it */
function inquire(
  user: string | undefined,
  environment: Record<string, string> = {},
  initiator?: string,
): Promise<Finished> {
  const url = `iscsi://${user === undefined ? '' : `${user}@`}${PORTAL}/${TARGET}/0`;
  const name = initiator === undefined ? [] : ['-i', initiator];
  return run('iscsi-inq', [...name, url], { environment });
}

/** Reads, waits, and reads again over one session. */
function openSession(user: string): Promise<Finished> {
  const url = `iscsi://${user}@${PORTAL}/${TARGET}/0`;
  const commands = ['read 0 4k', 'sleep 4000', 'read 0 4k'].flatMap((text) => ['-c', text]);
  return run('qemu-io', ['-f', 'raw', ...commands, url]);
}

/** What libiscsi's test of SANITIZE BLOCK ERASE says. */
async function trySanitize(): Promise<string> {
  const flags = ['--dataloss', '--allow-sanitize', '-V', '-t', 'SCSI.Sanitize.BlockErase'];
  const url = `iscsi://${PORTAL}/${TARGET}/0`;
  const { stdout } = await run('iscsi-test-cu', [...flags, '-i', INITIATOR, url]);
  return stdout;
}

async function refusals(): Promise<Record<string, number>> {
  const metrics = await (await fetch(`${ADMIN}/metrics`)).text();
  const lines = metrics.matchAll(
    /^keelson_controller_login_refusals_total\{reason="(.+)"\} (\d+)$/gm,
  );
  return Object.fromEntries([...lines].map(([, reason = '', count]) => [reason, Number(count)]));
}

/** The log is written a moment after the answer is sent. */
function lastRefusal(why: string): Promise<Record<string, unknown>> {
  const path = join(keelson.dataDir, 'logs', 'default.locked-controller.log');
  return eventually(`a log line of ${why}`, () =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"login refused"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .findLast((line) => line.why === why),
  );
}
