import { eventually } from '../support/child.ts';
import { VerifiedVolume } from '../support/verified-volume.ts';
import { Installation } from './support/installation.ts';
import { find, kubectl } from './support/kubectl.ts';
import { useNamespace } from './support/namespace.ts';
import { becomes, isTold } from './support/told.ts';

const NAMESPACE = 't-op-deletion';
useNamespace(NAMESPACE);

const GONE_LIMIT_MS = 120_000;

test('a Volume that is deleted in use serves on and says why it stays, and goes when nobody is logged in', async () => {
  const installation = await Installation.connect();
  const name = { namespace: NAMESPACE, name: 'busy' };
  const volume = await VerifiedVolume.create(installation, { ...name, replicas: 1 });
  volume.start();
  await volume.whenBusy();
  await kubectl('delete', 'volumes.keelson.io', name.name, '-n', NAMESPACE, '--wait=false');
  await becomes(name, /^True InitiatorsLoggedIn: 1 initiator session is logged in; /, 'InUse');
  await isTold(name, /^Warning InUse: 1 initiator session is logged in; it is deleted when nobody/);
  await volume.whenBusy();
  await becomes(name, /^True Served: /, 'Ready');
  await volume.rest();
  expect([...volume.ioErrors]).toEqual([]);
  await volume.end();
  await eventually(
    'the volume is gone',
    async () => (await find('volumes.keelson.io', name.name, NAMESPACE)) === undefined || undefined,
    { withinMs: GONE_LIMIT_MS, everyMs: 500 },
  );
  await isTold(name, /^Normal Deleted: deleted$/);
});
