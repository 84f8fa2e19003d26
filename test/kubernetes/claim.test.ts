import { eventually } from '../support/child.ts';
import { VerifiedVolume } from '../support/verified-volume.ts';
import { Installation } from './support/installation.ts';
import { apply, get } from './support/kubectl.ts';
import { useNamespace } from './support/namespace.ts';

const NAMESPACE = 't-res-claim';
useNamespace(NAMESPACE);

interface Claim {
  readonly spec: { readonly volumeName?: string };
  readonly status: { readonly phase: string };
}

interface PersistentVolume {
  readonly spec: {
    readonly iscsi: { readonly targetPortal: string; readonly iqn: string; readonly lun: number };
    readonly claimRef: { readonly namespace: string; readonly name: string };
  };
}

const BOUND_LIMIT_MS = 60_000;

test('a claim of our StorageClass becomes a volume that takes I/O where its PersistentVolume says', async () => {
  const installation = await Installation.connect();
  await apply({
    ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
    metadata: { namespace: NAMESPACE, name: 'data' },
    spec: {
      storageClassName: 'keelson-immediate',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '64Mi' } },
    },
  });
  const claim = await eventually(
    'the claim is bound',
    async () => {
      const found = await get<Claim>('pvc', 'data', NAMESPACE);
      return found.status.phase === 'Bound' ? found : undefined;
    },
    { withinMs: BOUND_LIMIT_MS },
  );
  const { volumeName: name = '' } = claim.spec;
  const { iscsi, claimRef } = (await get<PersistentVolume>('pv', name)).spec;
  expect(claimRef).toMatchObject({ namespace: NAMESPACE, name: 'data' });
  const volume = await VerifiedVolume.adopt(installation, { namespace: NAMESPACE, name });
  expect(iscsi).toMatchObject({
    ...{ targetPortal: volume.view.portal, iqn: volume.view.targetName, lun: 0 },
  });
  volume.start();
  await volume.whenBusy(100);
  await volume.rest();
  await volume.checkCopies();
  expect([...volume.ioErrors]).toEqual([]);
  await volume.end();
});
