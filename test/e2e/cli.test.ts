import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { eventually, exitOf, type Finished, run } from '../support/child.ts';
import { type Keelson, NODE, ROOT, startKeelson } from '../support/keelson.ts';
import { Shell } from '../support/shell.ts';

/** The command line as users type it, on a real installation. */
const MAIN = join(ROOT, 'orchestrator/cli/main.ts');
const NAME = { namespace: 'default', name: 'volume-name' };

let keelson: Keelson;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-cli-'));
  const program = `#!/bin/sh\nexec ${NODE} ${MAIN} "$@"\n`;
  writeFileSync(join(directory, 'keelson'), program, { mode: 0o755 });
  keelson = await startKeelson({ nodes: 4, isEmpty: true });
});
afterAll(async () => {
  await keelson?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('S32 N9 the command of StorageOS makes a volume with three copies that is always on', async () => {
  const line =
    'volume create --namespace default --label storageos.com/replicas=2 --label storageos.com/failure.mode=alwayson volume-name';
  expect(await ok(line)).toBe('default/volume-name\n');
  expect(await keelson.api.volume(NAME)).toMatchObject({ replicas: 2, failureMode: 'alwayson' });
  expect((await whenHealthy(NAME.name)).copies).toHaveLength(3);
  await ok('volume rm volume-name');
});

test('S33 the command with the other label family makes a volume with three copies', async () => {
  const line = 'volume create --namespace default --label storageos.feature.replicas=2 --wait';
  const { code, stdout, stderr } = await cli(`${line} volume-name`);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'default/volume-name\n' });
  expect(stderr).toMatch(/^(volume default\/volume-name is healthy: not yet, .*\n)*$/);
  const { copies, health } = await keelson.api.volume(NAME);
  expect([copies.length, health]).toEqual([3, 'healthy']);
  await ok('volume rm volume-name');
});

test('S35 the command adds replicas to a volume, addressed as namespace/name', async () => {
  await ok('volume create --size 64Mi volume-name');
  const line = 'volume update --label-add storageos.feature.replicas=2 default/volume-name';
  expect(await ok(line)).toBe('default/volume-name\n');
  expect((await whenHealthy(NAME.name)).copies).toHaveLength(3);
  await ok('volume rm volume-name');
});

test.each([
  ['15', 15 * 2 ** 30],
  ['1.5Gi', 1.5 * 2 ** 30],
  ['500M', 500_002_816],
])('N8 --size %s makes a volume of %d bytes', async (size, sizeBytes) => {
  await ok(`volume create --size ${size} sized`);
  expect(JSON.parse(await ok('volume inspect sized -o json'))).toMatchObject({ sizeBytes });
  await ok('volume rm sized --force');
});

test('N10 S29 a rule decides for the volumes that it selects, the lightest of two first', async () => {
  await ok('volume create --size 64Mi --label env=prod prod');
  await ok('volume create --size 64Mi --label env=test test');
  const rule =
    'rule create --namespace default --selector env==prod --action add --label storageos.com/replicas=2';
  expect(await ok(`${rule} --weight 5 two`)).toBe('default/two\n');
  expect((await whenHealthy('prod')).copies).toHaveLength(3);
  await ok('rule create --weight 4 --label keelson.io/replicas=1 --selector env one');
  expect((await whenHealthy('prod')).copies).toHaveLength(2);
  expect((await whenHealthy('test')).copies).toHaveLength(2);
  expect(await ok('volume inspect prod')).toMatch(/^Replicas: .*, by rule default\/one$/m);
  expect(await ok('rule ls -o wide')).toMatch(
    /^default\/one +4 +env +add .* default\/prod,default\/test$/m,
  );
  expect((await ok('volume ls -l env==prod -o json')).match(/"name"/g)).toHaveLength(1);
  await ok('rule rm one');
  expect(await ok('rule inspect two')).toMatch(/^Volumes: +default\/prod$/m);
  expect((await whenHealthy('prod')).copies).toHaveLength(3);
  expect((await cli('rule inspect one')).code).toBe(3);
  expect(await ok('events --volume prod')).toContain('by rule default/two');
  await ok('volume rm test');
});

test('node drain waits until the node is empty, node rm forgets it, and neither harms a volume', async () => {
  const before = await keelson.api.volume({ namespace: 'default', name: 'prod' });
  const node = before.copies[0]?.node ?? '';
  const full = await cli(`node rm ${node}`);
  expect(full).toMatchObject({ code: 4, stdout: '' });
  expect(full.stderr).toContain(`drain it first: keelson node drain ${node}\n`);
  const drained = await cli(`node drain ${node}`);
  expect(drained).toMatchObject({ code: 0, stdout: `${node}\n` });
  expect(drained.stderr).toContain(`node ${node} is empty: not yet, 1 copy is left: default/prod`);
  expect(await ok('node ls')).toMatch(new RegExp(`^${node} +draining +\\S+ +0 `, 'm'));
  await eventually('the node can be removed', async () =>
    (await cli(`node rm ${node}`)).code === 0 ? true : undefined,
  );
  expect((await cli(`node inspect ${node}`)).code).toBe(3);
  const after = await whenHealthy('prod');
  expect(after.copies.map((copy) => copy.node)).not.toContain(node);
  const refused = await cli(`node drain ${after.copies[0]?.node}`);
  expect(refused).toMatchObject({ code: 4 });
  expect(refused.stderr).toContain('default/prod wants 3 nodes');
});

test('apply makes volumes and rules what a file says, and does nothing the second time', async () => {
  const path = join(directory, 'apply.yaml');
  const write = (replicas: number, labels: string) =>
    writeFileSync(
      path,
      `apiVersion: keelson.io/v1alpha1
kind: Volume
metadata: {name: applied, labels: {${labels}}}
spec: {size: 64Mi, replicas: ${replicas}, chapSecretFile: applied.chap}
---
apiVersion: keelson.io/v1alpha1
kind: Rule
metadata: {name: applied}
spec:
  selector: 'team = a'
  labels: {keelson.io/failure-mode: hard}
`,
    );
  const lines = (volume: string, rule: string) =>
    `volume default/applied ${volume}\nrule default/applied ${rule}\n`;
  const apply = () => ok(`apply -f ${path} --wait`);
  const chap = join(directory, 'applied.chap');
  writeFileSync(chap, 'user alice open-sesame-1\n', { mode: 0o600 });
  write(0, 'team: a, old: "1"');
  expect(await apply()).toBe(lines('created', 'created'));
  expect(await apply()).toBe(lines('unchanged', 'unchanged'));
  write(1, 'team: a');
  expect(await apply()).toBe(lines('updated', 'unchanged'));
  expect(await keelson.api.volume({ namespace: 'default', name: 'applied' })).toMatchObject({
    ...{ health: 'healthy', replicas: 1, failureMode: 'hard', chap: 'one-way' },
    labels: { team: 'a', 'keelson.io/replicas': '1' },
  });
  writeFileSync(chap, 'user alice open-sesame-2\n');
  expect(await apply()).toBe(lines('updated', 'unchanged'));
  expect(await apply()).toBe(lines('unchanged', 'unchanged'));
  const { code, stderr } = await cli(`apply -f ${join(directory, 'none.yaml')}`);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('none.yaml') });
  await ok('volume rm applied');
  await ok('rule rm applied');
});

test.each<[string, string, number, RegExp]>([
  ['an unknown word', 'volume grow prod', 2, /expected create, .* got grow/],
  ['a value out of range', 'volume create --size 5Q x', 2, /size "5Q"/],
  ['a selector that is none', 'volume ls -l a=b=c', 2, /selector: expected/],
  [
    'a volume that is not there',
    'volume inspect nothing',
    3,
    /volume default\/nothing does not exist/,
  ],
  ['a node that is not there', 'node cordon node9', 3, /node node9 does not exist/],
  [
    'another volume of that name',
    'volume create --size 2Gi prod',
    4,
    /it exists and differs: size/,
  ],
  ['no orchestrator', 'node ls --api http://127.0.0.1:5799', 5, /no orchestrator answers at/],
  [
    'a token that is wrong',
    `node ls --token-file ${MAIN.replace('main.ts', 'keelson.js')}`,
    2,
    /token/,
  ],
])('%s ends with one sentence and its exit code', async (_case, line, exitCode, reason) => {
  const { code, stdout, stderr } = await cli(line);
  expect(stderr).toMatch(/^keelson: [^\n]+\n$/);
  expect(stderr).toMatch(reason);
  expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
});

test('Ctrl-C ends a wait with 130 and a watch with 0', async () => {
  const [replica] = keelson.replicas();
  process.kill(replica?.pid ?? 0, 'SIGSTOP');
  try {
    await eventually('the volume is degraded', async () =>
      (await keelson.api.volume({ namespace: 'default', name: 'prod' })).health === 'degraded'
        ? true
        : undefined,
    );
    const waiting = await interrupted(
      'volume update --label-add a=b --wait prod',
      /not yet, degraded/,
    );
    expect(waiting.code).toBe(130);
    expect(waiting.output).toMatch(/keelson: waits no longer until .*; it goes on by itself\n$/);
  } finally {
    process.kill(replica?.pid ?? 0, 'SIGCONT');
  }
  let count = 0;
  const change = async () => {
    const labelsAdd = { count: String(count++) };
    await keelson.api.updateVolume(
      { namespace: 'default', name: 'prod' },
      { labelsAdd, labelsRemove: [] },
    );
  };
  const watched = await interrupted('volume watch prod', /labels changed/, change);
  expect(watched.code).toBe(0);
  expect(watched.output).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}default\/prod: .*\n/);
  expect((await interrupted('events --follow', /labels changed/)).code).toBe(0);
  await whenHealthy('prod');
});

test.each(['bash', 'zsh'] as const)(
  '%s completes commands, options and the names of this installation',
  async (name) => {
    const shell = await Shell.start(name, { PATH: `${directory}:${process.env.PATH}` });
    try {
      if (name === 'zsh') await shell.enter('autoload -U compinit; compinit -u -D');
      await shell.enter(`source <(keelson completion ${name})`);
      expect(await shell.complete('keelson vol\tin\tpr\t')).toBe('keelson volume inspect prod');
      expect(await shell.complete('keelson node cordon --outp\tjs\t')).toBe(
        'keelson node cordon --output json',
      );
      expect(await shell.complete('keelson rule rm default/t\t')).toBe(
        'keelson rule rm default/two',
      );
      expect(await shell.complete('keelson volume create --label=keelson.io/rep\t2')).toBe(
        'keelson volume create --label=keelson.io/replicas=2',
      );
      expect(await shell.complete(`keelson apply -f ${directory}/app\t`)).toMatch(/\/app/);
    } finally {
      await shell.stop();
    }
  },
);

test('an installation that asks for its token is used with it, and with no other', async () => {
  await keelson.stop();
  keelson = await startKeelson({ nodes: 1, isEmpty: false, args: ['--require-token'] });
  const without = await cli('volume ls');
  expect(without).toMatchObject({ code: 6, stdout: '' });
  expect(without.stderr).toMatch(/^keelson: authorization: .* --token-file [^\n]+\n$/);
  expect(await ok(`volume ls --token-file ${join(keelson.dataDir, 'token')}`)).toContain(
    'default/demo',
  );
  const other = join(directory, 'token');
  writeFileSync(other, 'another');
  expect((await cli(`volume ls --token-file ${other}`)).code).toBe(6);
});

function cli(line: string): Promise<Finished> {
  return run(NODE, [MAIN, ...line.split(' ')], { cwd: ROOT });
}

/** As `cli`, for what must succeed: what was printed. */
async function ok(line: string): Promise<string> {
  const { code, stdout, stderr } = await cli(line);
  if (code !== 0) throw new Error(`keelson ${line}: exit code ${code}\n${stdout}${stderr}`);
  return stdout;
}

/**
 * Presses Ctrl-C once the output has come to match.
 *
 * @param change makes something happen that the command may be waiting for, again and again
 */
async function interrupted(
  line: string,
  until: RegExp,
  change = async () => {},
): Promise<{ code: number | null; output: string }> {
  const child: ChildProcess = spawn(NODE, [MAIN, ...line.split(' ')], { cwd: ROOT });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  await eventually(`${line} prints ${until}`, async () => {
    if (until.test(output)) return true;
    await change();
    return undefined;
  });
  child.kill('SIGINT');
  return { code: await exitOf(child), output };
}

function whenHealthy(name: string): Promise<VolumeView> {
  return eventually(`${name} is healthy`, async () => {
    const volume = await keelson.api.volume({ namespace: 'default', name });
    const isWhole = volume.copies.length === volume.replicas + 1;
    return volume.health === 'healthy' && isWhole ? volume : undefined;
  });
}
