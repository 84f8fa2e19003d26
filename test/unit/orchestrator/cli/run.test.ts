import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatCopies } from '../../../../orchestrator/cli/format.ts';
import { typeOk } from '../support/command-line.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

const keelson = (line: string) => typeOk(line, { environment: { KEELSON_API: world.api.url } });

test('S32 keelson volume create prints the volume, and ls, inspect and rm find it', async () => {
  expect(
    await keelson(
      'volume create --namespace default --label storageos.com/replicas=2 --label storageos.com/failure.mode=alwayson volume-name',
    ),
  ).toBe('default/volume-name\n');
  expect(await keelson('volume ls')).toMatch(
    /^VOLUME .*\ndefault\/volume-name +1GiB +unavailable +3 of 3 +alwayson +127\.0\.1\.1:3260 +-\n$/,
  );
  expect(JSON.parse(await keelson('volume inspect -o json volume-name'))).toMatchObject({
    failureMode: 'alwayson',
    replicas: 2,
  });
  expect(await keelson('volume inspect volume-name')).toContain(
    'iscsi://127.0.1.1:3260/iqn.2026-11.io.keelson:default.volume-name/0',
  );
  expect(await keelson('node ls')).toMatch(/^NODE .*\nnode1 +available +127\.0\.0\.11 +1 /);
  expect(await keelson('volume update --label-add env=prod default/volume-name')).toBe(
    'default/volume-name\n',
  );
  expect(await keelson('volume inspect volume-name')).toMatch(/Labels: .*env=prod/);
  expect(await keelson('node cordon node1')).toBe('node1\n');
  expect(await keelson('node ls')).toMatch(/^NODE .*\nnode1 +cordoned /);
  expect(await keelson('node uncordon node1')).toBe('node1\n');
  expect(await keelson('volume rm --force volume-name')).toBe('default/volume-name\n');
  expect(await keelson('volume ls')).not.toContain('volume-name');
});

test('keelson volume create, update and inspect tell what must be proved, and no secret', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-cli-'));
  const path = join(directory, 'chap');
  const shown: string[] = [];
  const inspect = async () => {
    const text = await keelson('volume inspect locked');
    shown.push(text, await keelson('volume inspect -o json locked'));
    return text;
  };
  try {
    writeFileSync(path, 'user alice open-sesame-1', { mode: 0o600 });
    shown.push(await keelson(`volume create --chap-file ${path} -o json locked`));
    expect(await inspect()).toMatch(/CHAP: +one-way\nInitiators: +all\n/);
    writeFileSync(path, 'user alice open-sesame-1\nmutual-user keelson open-sesame-2');
    shown.push(await keelson(`volume update --chap-file ${path} -o json locked`));
    const initiators = '--label-add keelson.io/initiators=iqn.2026-11.com.example:a';
    await keelson(`volume update ${initiators} locked`);
    expect(await inspect()).toMatch(/CHAP: +mutual\nInitiators: +iqn.2026-11.com.example:a\n/);
    await keelson('volume update --no-chap locked');
    expect(await inspect()).toMatch(/CHAP: +none\n/);
    expect(shown.join()).not.toContain('open-sesame');
  } finally {
    rmSync(directory, { recursive: true });
    await keelson('volume rm --force locked');
  }
});

test('keelson chap secret makes 16 random bytes as text', async () => {
  const secrets = [await keelson('chap secret'), await keelson('chap secret')];
  for (const secret of secrets) expect(secret).toMatch(/^[0-9a-f]{32}\n$/);
  expect(secrets[0]).not.toBe(secrets[1]);
});

test('keelson tells how to start an orchestrator when none answers', async () => {
  const gone = await World.start();
  await gone.stop();
  await expect(gone.client.nodes()).rejects.toThrow(
    `no orchestrator answers at ${gone.api.url}; start one with: npm start`,
  );
});

const BEGUN = {
  ...{ doneBytes: 256, totalBytes: 1024, differenceBytes: 512 },
  ...{ bytesPerSecond: 10 * 1024 ** 2, etaSeconds: 6.2 },
};
const NOTHING_TO_MOVE = {
  ...{ doneBytes: 0, totalBytes: 0, differenceBytes: 0 },
  ...{ bytesPerSecond: 0, etaSeconds: 0 },
};

test.each([
  ['part of it is done', BEGUN, '[#####...............] 25% 10MiB/s, 7 s left'],
  ['nothing has to be moved', NOTHING_TO_MOVE, '[####################] 100% 0B/s, 0 s left'],
])('a sync is shown as a bar with rate and remaining time when %s', (_case, sync, shown) => {
  const text = formatCopies([
    {
      replicaId: 'r2',
      node: 'node2',
      state: 'syncing',
      process: 'ready',
      isConnected: true,
      isPrimary: false,
      isLeaving: false,
      sync,
    },
  ]);
  expect(text).toContain(shown);
});
