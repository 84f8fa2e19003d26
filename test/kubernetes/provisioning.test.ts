import { controllerName } from '../../orchestrator/platforms/kubernetes/names.ts';
import { makeRead, makeWrite, type ScsiCommand } from '../chaos/initiator/commands.ts';
import { logIn, type Target } from '../chaos/initiator/login.ts';
import type { Session } from '../chaos/initiator/session.ts';
import { eventually } from '../support/child.ts';
import { chapObjects } from './support/chap.ts';
import {
  Claims,
  makeClass,
  removeClass,
  type TestPersistentVolume,
  type TestSource,
} from './support/claims.ts';
import { SYSTEM } from './support/installation.ts';
import { apply, find, get, kubectl } from './support/kubectl.ts';
import { useNamespace } from './support/namespace.ts';

const NAMESPACE = 't-prov';
const MIB = 1024 ** 2;
const CLASS = 't-prov-now';
const LATE = 't-prov-late';
const KEPT = 't-prov-kept';
const WRONG = 't-prov-wrong';
const WIDE = 't-prov-wide';
const CHAP = 't-prov-chap';
const CLASSES = [CLASS, LATE, KEPT, WRONG, WIDE, CHAP];

const claims = new Claims(NAMESPACE);
useNamespace(NAMESPACE);

beforeAll(async () => {
  const parameters = { replicas: '1' };
  await makeClass({ name: CLASS, parameters, more: { mountOptions: ['noatime'] } });
  const late = { volumeBindingMode: 'WaitForFirstConsumer' };
  await makeClass({ name: LATE, parameters: { ...parameters, fsType: 'xfs' }, more: late });
  await makeClass({ name: KEPT, parameters, more: { reclaimPolicy: 'Retain' } });
});
afterAll(async () => {
  for (const name of CLASSES) await removeClass(name);
});

test('a claim gets a PersistentVolume that says of its volume what its controller serves', async () => {
  const labels = { env: 'prod', 'keelson.io/failure-mode': 'hard' };
  await claims.make({ name: 'fields', className: CLASS, size: '20M', labels });
  const { claim, pv } = await claims.whenBound('fields');
  const name = `pvc-${claim.metadata.uid}`;
  const volume = await claims.volume(name);
  const { portal, targetName, record } = volume?.status ?? {};
  expect(volume).toMatchObject({
    metadata: { labels, annotations: { 'keelson.io/claim': 'fields' } },
    spec: { size: '19532Ki', defaults: { 'keelson.io/replicas': '1' } },
  });
  expect(pv.metadata).toMatchObject({
    ...{ name, annotations: { 'pv.kubernetes.io/provisioned-by': 'keelson.io' } },
    labels: { 'keelson.io/volume': name, 'keelson.io/volume-id': record?.spec.id },
  });
  expect(pv.spec).toMatchObject({
    ...{ capacity: { storage: '19532Ki' }, accessModes: ['ReadWriteOnce'] },
    ...{ volumeMode: 'Filesystem', persistentVolumeReclaimPolicy: 'Delete' },
    ...{ storageClassName: CLASS, mountOptions: ['noatime'] },
    claimRef: { namespace: NAMESPACE, name: 'fields', uid: claim.metadata.uid },
  });
  expect(pv.spec.iscsi).toEqual({
    ...{ targetPortal: portal, iqn: targetName, lun: 0, fsType: 'ext4' },
    // The API server puts this in.
    iscsiInterface: 'default',
  });
  const id = record?.spec.id ?? '';
  const serviceName = controllerName({ namespace: NAMESPACE, name, id });
  const service = await get<{ spec: { clusterIP: string } }>('service', serviceName, SYSTEM);
  expect(pv.spec.iscsi.targetPortal).toBe(`${service.spec.clusterIP}:3260`);
  expect(claim.status.capacity).toEqual({ storage: '19532Ki' });
  await claims.whenTold('fields', 'ProvisioningSucceeded', /made PersistentVolume/);

  const session = await enter(pv.spec.iscsi);
  expect(await capacityOf(session)).toBe(19532 * 1024);
  const data = Buffer.alloc(4096, 'written through the Service');
  await expectGood(session, makeWrite(8 * MIB, data, { form: 16, isForced: true }));
  session.end('the test is done');
  const again = await enter(pv.spec.iscsi);
  const range = { offsetBytes: 8 * MIB, lengthBytes: data.length };
  expect(await expectGood(again, makeRead(range, 16))).toEqual(data);
  again.end('the test is done');

  await claims.delete('fields');
  await claims.whenGone(name);
});

test('a claim that waits for its first consumer begins where that pod is to run', async () => {
  await claims.make({ name: 'late', className: LATE, spec: { volumeMode: 'Filesystem' } });
  await claims.when('late', 'waiting', ({ status }) => status.phase === 'Pending');
  await claims.make({ name: 'now', className: CLASS });
  await claims.whenBound('now'); // by then the other would have been bound as well
  const { uid } = (await claims.get('late')).metadata;
  expect(await claims.volume(`pvc-${uid}`)).toBeUndefined();
  await apply(consumerOf('late'));
  const { claim, pv } = await claims.whenBound('late');
  const node = claim.metadata.annotations?.['volume.kubernetes.io/selected-node'];
  expect(node).toMatch(/./);
  expect(pv.spec.iscsi.fsType).toBe('xfs');
  const volume = await claims.whenVolume(`pvc-${uid}`, 'has copies', ({ status }) => {
    return status?.copies !== undefined;
  });
  expect(volume.spec).toMatchObject({ placement: { preferredNode: node } });
  expect(volume.status?.copies?.find(({ replicaId }) => replicaId === 'r1')?.node).toBe(node);
  await kubectl('delete', 'pod', 'consumer', '-n', NAMESPACE, '--force', '--grace-period=0');
  await claims.delete('late');
  await claims.delete('now');
  await claims.whenGone(`pvc-${uid}`);
});

test('what is to be retained outlives its claim and its PersistentVolume', async () => {
  await claims.make({ name: 'kept', className: KEPT, spec: { volumeMode: 'Block' } });
  const { pv } = await claims.whenBound('kept');
  const { name } = pv.metadata;
  expect(pv.spec).toMatchObject({ volumeMode: 'Block', persistentVolumeReclaimPolicy: 'Retain' });
  expect(pv.spec.iscsi).not.toHaveProperty('fsType');
  await claims.delete('kept');
  await eventually('it is released', async () => {
    return (await get<TestPersistentVolume>('pv', name)).status.phase === 'Released' || undefined;
  });
  await kubectl('delete', 'pv', name, '--timeout=60s');
  expect((await claims.volume(name))?.metadata.deletionTimestamp).toBeUndefined();
  (await enter(pv.spec.iscsi)).end('it is still served');
  await kubectl('delete', 'volumes.keelson.io', name, '-n', NAMESPACE, '--wait=false');
  await claims.whenGone(name);
});

test('a Volume that somebody deletes under its claim stays until the claim goes', async () => {
  await claims.make({ name: 'held', className: CLASS });
  const { pv } = await claims.whenBound('held');
  const { name } = pv.metadata;
  await kubectl('delete', 'volumes.keelson.io', name, '-n', NAMESPACE, '--wait=false');
  await claims.whenVolume(name, 'says why it stays', ({ status }) => {
    const told = status?.conditions?.find(({ type }) => type === 'InUse');
    return told?.reason === 'Held' && /PersistentVolume .* stands for it/.test(told.message);
  });
  (await enter(pv.spec.iscsi)).end('it is still served');
  await claims.delete('held');
  await claims.whenGone(name);
});

test('a claim that asks for more gets it while it is in use', async () => {
  await claims.make({ name: 'grows', className: CLASS });
  const { pv } = await claims.whenBound('grows');
  const session = await enter(pv.spec.iscsi);
  expect(await capacityOf(session)).toBe(16 * MIB);
  await claims.patch('grows', { spec: { resources: { requests: { storage: '32Mi' } } } });
  const claim = await claims.when('grows', 'grown', ({ status }) => {
    return status.capacity?.storage === '32Mi';
  });
  const { name } = pv.metadata;
  expect((await get<TestPersistentVolume>('pv', name)).spec.capacity.storage).toBe('32Mi');
  expect(claim.status.conditions).toMatchObject([
    { type: 'FileSystemResizePending', message: expect.stringMatching(/resize2fs/) },
  ]);
  await claims.whenTold('grows', 'FileSystemResizeRequired', /32Mi/);
  expect(await capacityOf(session)).toBe(32 * MIB);
  session.end('the test is done');
  const annotation = 'keelson.io/file-system-size=32Mi';
  await kubectl('annotate', 'pvc', 'grows', '-n', NAMESPACE, annotation);
  await claims.when('grows', 'without conditions', ({ status }) => {
    return (status.conditions ?? []).length === 0;
  });
  await claims.delete('grows');
  await claims.whenGone(name);
});

test('a parameter that is not known is told, and a class in its place counts', async () => {
  await makeClass({ name: WRONG, parameters: { replica: '1' } });
  await claims.make({ name: 'typo', className: WRONG });
  const message = await claims.whenTold('typo', 'ProvisioningFailed', /replica/);
  expect(message).toMatch(
    /^StorageClass t-prov-wrong: parameters: "replica" is not known; expected one of replicas, /,
  );
  const { uid } = (await claims.get('typo')).metadata;
  expect(await claims.volume(`pvc-${uid}`)).toBeUndefined();
  await makeClass({ name: WRONG, parameters: { replicas: '1' } });
  await claims.whenBound('typo');
  await claims.delete('typo');
  await claims.whenGone(`pvc-${uid}`);
});

test('a claim that nothing can be made of is told why, and one in its place counts', async () => {
  await claims.make({ name: 'small', className: CLASS, size: '1000Ki' });
  await claims.whenTold('small', 'ProvisioningFailed', /expected 1MiB to 64TiB, got 1000Ki/);
  await claims.make({
    ...{ name: 'shared', className: CLASS },
    spec: { accessModes: ['ReadWriteMany'] },
  });
  await claims.whenTold(
    'shared',
    'ProvisioningFailed',
    /expected ReadWriteOnce, got ReadWriteMany/,
  );
  await claims.make({ name: 'label', className: CLASS, labels: { 'keelson.io/replica': '1' } });
  await claims.whenTold('label', 'ProvisioningFailed', /keelson.io\/replica: not known/);
  // A label is the one thing of a claim that can be corrected.
  await kubectl('label', 'pvc', 'label', '-n', NAMESPACE, 'keelson.io/replica-');
  await claims.whenBound('label');
  for (const name of ['small', 'shared', 'label']) await claims.delete(name);
  await claims.make({ name: 'small', className: CLASS, size: '1Mi' });
  const { pv } = await claims.whenBound('small');
  expect(pv.spec.capacity.storage).toBe('1Mi');
  await claims.delete('small');
  await claims.whenGone(pv.metadata.name);
});

test('a claim for which there are too few nodes is told, and leaves nothing when it goes', async () => {
  await makeClass({ name: WIDE, parameters: { replicas: '5' } });
  await claims.make({ name: 'wide', className: WIDE });
  await claims.whenTold('wide', 'ProvisioningFailed', /place 6 copies/);
  const name = `pvc-${(await claims.get('wide')).metadata.uid}`;
  expect(await find('pv', name)).toBeUndefined();
  expect(await claims.volume(name)).toBeDefined();
  await claims.delete('wide');
  await claims.whenGone(name);
});

test('a class with a CHAP secret names it where nodes look for it, and nobody gets in without', async () => {
  await apply(...chapObjects({ namespace: NAMESPACE, name: 'chap', reader: SYSTEM }));
  await makeClass({ name: CHAP, parameters: { replicas: '0', chapSecretName: 'chap' } });
  await claims.make({ name: 'proof', className: CHAP });
  const { pv } = await claims.whenBound('proof');
  expect(pv.spec.iscsi).toMatchObject({
    ...{ chapAuthDiscovery: true, chapAuthSession: true },
    secretRef: { name: 'chap', namespace: NAMESPACE },
  });
  const refusal = await eventually('the controller refuses', async () => {
    const session = await logIn(targetOf(pv.spec.iscsi));
    if (typeof session !== 'string') session.end('it let us in');
    return typeof session === 'string' && /0x02|refus|status/i.test(session) ? session : undefined;
  });
  expect(refusal).toMatch(/./);
  await claims.delete('proof');
  await claims.whenGone(pv.metadata.name);
});

function targetOf({ targetPortal, iqn }: TestSource): Target {
  const [host = '', port] = targetPortal.split(':');
  const initiatorName = 'iqn.2026-11.io.keelson:provisioning';
  return { host, port: Number(port), targetName: iqn, initiatorName };
}

/** As soon as the controller serves: a PersistentVolume may be there before. */
function enter(source: TestSource): Promise<Session> {
  return eventually(`${source.iqn} lets us in`, async () => {
    const session = await logIn(targetOf(source));
    if (typeof session === 'string') throw new Error(session);
    return session;
  });
}

/** Tries again what an initiator's kernel tries again. */
function expectGood(session: Session, command: ScsiCommand): Promise<Buffer> {
  return eventually('a command is answered', async () => {
    const answer = await session.execute(command);
    if (answer.kind === 'good') return answer.data;
    throw new Error(answer.reason);
  });
}

/** READ CAPACITY(16), SBC-4 5.20: the last address, 8 bytes, then the length of a block, 4. */
async function capacityOf(session: Session): Promise<number> {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x9e;
  cdb[1] = 0x10;
  cdb.writeUInt32BE(32, 10);
  const data = await expectGood(session, { cdb, readBytes: 32 });
  return (Number(data.readBigUInt64BE(0)) + 1) * data.readUInt32BE(8);
}

/** It never runs: the nodes' kernel here has no SCSI. It is scheduled, and that is what counts. */
function consumerOf(claim: string): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: NAMESPACE, name: 'consumer' } },
    spec: {
      containers: [
        {
          ...{ name: 'consumer', image: 'none', imagePullPolicy: 'Never' },
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim } }],
    },
  };
}
