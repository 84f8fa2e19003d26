import type { VolumeName } from '../../orchestrator/model/volume.ts';
import { eventually } from '../support/child.ts';
import { chapObjects } from './support/chap.ts';
import { Installation, SYSTEM } from './support/installation.ts';
import { apply, applyInVain, find, get, kubectl, kubectlWith, list } from './support/kubectl.ts';
import { useNamespace } from './support/namespace.ts';
import { becomes, isTold, readVolume } from './support/told.ts';

const NAMESPACE = 't-op-bad-input';
useNamespace(NAMESPACE);

const ACCEPTED = /^True Accepted: its spec is in force$/;

beforeAll(async () => {
  await Installation.connect();
});

test('a value out of range is refused by the API server itself, with the field named', async () => {
  expect(await applyInVain(volumeOf('range', { replicas: 9 }))).toMatch(/spec\.replicas/);
  expect(await applyInVain(volumeOf('range', { failureMode: 'brittle' }))).toMatch(/failureMode/);
  expect(await applyInVain(volumeOf('range', { size: 'huge' }))).toMatch(/spec\.size/);
  expect(await find('volumes.keelson.io', 'range', NAMESPACE)).toBeUndefined();
});

test('more copies than nodes: a condition and an event say how many there are, until fewer are asked for', async () => {
  const name = 'crowded';
  await apply(volumeOf(name, { replicas: 5 }));
  const refusal = /^False NoRoom: place 6 copies \(replicas=5\): limited by the number of nodes, /;
  await becomes(named(name), refusal);
  await isTold(named(name), /^Warning NoRoom: place 6 copies/);
  expect(await showVolume(name)).toMatch(/ask for fewer replicas or add nodes/);
  await apply(volumeOf(name, { replicas: 1 }));
  await becomes(named(name), ACCEPTED);
  await becomes(named(name), /^True AllInSync: 2 of 2 copies in sync$/, 'Healthy');
  await isTold(named(name), /^Normal Accepted: its spec is in force$/);
});

test('labels that contradict the spec: both are named, and the volume is made when they agree', async () => {
  const name = 'contradicting';
  await apply(volumeOf(name, { replicas: 1 }, { 'keelson.io/replicas': '2' }));
  await becomes(
    named(name),
    /^False InvalidSpec: spec.replicas: says 1, but the label keelson.io\/replicas says 2; give only one/,
  );
  await isTold(named(name), /^Warning InvalidSpec: spec.replicas: says 1/);
  await apply(volumeOf(name, { replicas: 1 }, { 'keelson.io/replicas': '1' }));
  await becomes(named(name), ACCEPTED);
});

test('a CHAP Secret that may not be read, then one that is missing: each says what to do, and does it', async () => {
  const name = 'guarded';
  await apply(volumeOf(name, { chapSecretRef: { name: 'chap' } }));
  await becomes(
    named(name),
    /^False ChapSecretForbidden: Secret t-op-bad-input\/chap: Keelson may not/,
  );
  await isTold(named(name), /^Warning ChapSecretForbidden: .*kubectl create rolebinding/);
  const { message = '' } = (await readVolume(named(name))).status ?? {};
  const [, command = ''] = /allow it: kubectl (.*)$/.exec(message) ?? [];
  await kubectl(...command.split(' '));
  await becomes(
    named(name),
    /^False ChapSecretMissing: Secret t-op-bad-input\/chap: it does not exist/,
  );
  const [secret] = chapObjects({ namespace: NAMESPACE, name: 'chap', reader: SYSTEM });
  if (secret === undefined) throw new Error('a Secret was asked for');
  await apply(secret);
  await becomes(named(name), ACCEPTED);
  const { data } = await get<{ data: Record<string, string> }>('secret', 'chap', NAMESPACE);
  const shown = JSON.stringify([
    await showVolume(name),
    await list('events', { namespace: NAMESPACE }),
  ]);
  for (const encoded of Object.values(data)) {
    if (encoded === data['node.session.auth.username']) continue;
    expect(shown).not.toContain(encoded);
    expect(shown).not.toContain(Buffer.from(encoded, 'base64').toString());
  }
});

test('a volume that is to shrink keeps its size and its I/O, and says so', async () => {
  const name = 'shrinking';
  await apply(volumeOf(name, { size: '64Mi', replicas: 1 }));
  await becomes(named(name), /^True AllInSync/, 'Healthy');
  await apply(volumeOf(name, { size: '32Mi', replicas: 2 }));
  await becomes(
    named(name),
    /^False WouldShrink: spec.size: expected at least 64MiB, .* got 32MiB; a volume never/,
  );
  await isTold(named(name), /^Warning WouldShrink/);
  await becomes(named(name), /^True Served: served at /, 'Ready');
  await becomes(named(name), /^True AllInSync: 2 of 2 copies in sync/, 'Healthy');
  await apply(volumeOf(name, { size: '64Mi', replicas: 1 }));
  await becomes(named(name), ACCEPTED);
});

test('a damaged record is never given up: the volume stays as it is until the record is back', async () => {
  const name = 'damaged';
  await apply(volumeOf(name, { size: '64Mi', replicas: 1 }));
  await becomes(named(name), /^True AllInSync/, 'Healthy');
  const { status } = await readVolume(named(name));
  await putRecord(name, { membership: 'gone' });
  await becomes(
    named(name),
    /^False RecordDamaged: status.record of volume t-op-bad-input\/damaged cannot be read/,
  );
  await isTold(named(name), /^Warning RecordDamaged: .*put the record back from a backup/);
  await putRecord(name, status?.record);
  await becomes(named(name), ACCEPTED);
  await becomes(named(name), /^True AllInSync/, 'Healthy');
});

function volumeOf(
  name: string,
  spec: Readonly<Record<string, unknown>>,
  labels: Readonly<Record<string, string>> = {},
): object {
  return {
    ...{ apiVersion: 'keelson.io/v1alpha1', kind: 'Volume' },
    metadata: { namespace: NAMESPACE, name, labels },
    spec: { size: '64Mi', ...spec },
  };
}

function named(name: string): VolumeName {
  return { namespace: NAMESPACE, name };
}

function showVolume(name: string): Promise<string> {
  return kubectl('describe', 'volumes.keelson.io', name, '--namespace', NAMESPACE);
}

/** What a slip of the hand would do: nobody else writes there but Keelson, which may do so just now. */
async function putRecord(name: string, record: unknown): Promise<void> {
  const path = `/apis/keelson.io/v1alpha1/namespaces/${NAMESPACE}/volumes/${name}/status`;
  await eventually(`the record of ${name} is put`, async () => {
    const object = await readVolume(named(name));
    const changed = { ...object, status: { ...object.status, record } };
    await kubectlWith(JSON.stringify(changed), ['replace', '--raw', path, '-f', '-']);
    return true;
  });
}
