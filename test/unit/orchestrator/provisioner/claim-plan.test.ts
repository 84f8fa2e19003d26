import { nextStep } from '../../../../orchestrator/provisioner/core/claim-plan.ts';
import type { Facts } from '../../../../orchestrator/provisioner/core/facts.ts';
import {
  accepted,
  boundClaim,
  claim,
  facts,
  ID,
  persistentVolume,
  storageClass,
  volume,
} from './support/objects.ts';

const GOING = { deletionTimestamp: '2026-11-21T12:00:00Z' };
const LATE = storageClass({ volumeBindingMode: 'WaitForFirstConsumer' });
const onNode = (node: string) =>
  claim({}, { annotations: { 'volume.kubernetes.io/selected-node': node } });
const ofOthers = { 'volume.kubernetes.io/storage-provisioner': 'other.io' };
const beta = {
  'volume.kubernetes.io/storage-provisioner': '',
  'volume.beta.kubernetes.io/storage-provisioner': 'keelson.io',
};
const foreign = { ...volume(), metadata: { ...volume().metadata, annotations: {} } };

/** The step and the reason that is told; `-` for nothing. */
test.each<[string, Partial<Facts>, string, string]>([
  ['a claim becomes a Volume', { claim: claim() }, 'create-volume', 'Provisioning'],
  [
    'by the older annotation as well',
    { claim: claim({}, { annotations: beta }) },
    'create-volume',
    'Provisioning',
  ],
  [
    'a claim of another provisioner is left alone',
    { claim: claim({}, { annotations: ofOthers }) },
    '-',
    '-',
  ],
  ['a claim that goes is not begun', { claim: claim({}, GOING) }, '-', '-'],
  [
    'a claim whose class is gone waits',
    { claim: claim(), storageClass: undefined },
    '-',
    'ProvisioningFailed',
  ],
  [
    'a class of another provisioner decides',
    { claim: claim(), storageClass: storageClass({ provisioner: 'other.io' }) },
    '-',
    '-',
  ],
  ['a claim waits for its first consumer', { claim: claim(), storageClass: LATE }, '-', '-'],
  [
    'a claim has its first consumer',
    { claim: onNode('n2'), storageClass: LATE },
    'create-volume',
    'Provisioning',
  ],
  [
    'a claim for many nodes is refused',
    { claim: claim({ accessModes: ['ReadWriteMany'] }) },
    '-',
    'ProvisioningFailed',
  ],
  [
    'a wrong class is refused',
    { claim: claim(), storageClass: storageClass({ parameters: { x: '1' } }) },
    '-',
    'ProvisioningFailed',
  ],
  [
    'a Volume of that name that is not ours stops it',
    { claim: claim(), volume: foreign },
    '-',
    'ProvisioningFailed',
  ],
  ['a Volume is waited for', { claim: claim(), volume: volume() }, '-', '-'],
  [
    'a Volume that was refused is told',
    { claim: claim(), volume: volume({ refusal: 'no room' }) },
    '-',
    'ProvisioningFailed',
  ],
  [
    'a Volume that was refused is corrected',
    { claim: claim(), volume: volume({ refusal: 'no room', size: '2Gi' }) },
    'replace-volume',
    '-',
  ],
  [
    'a Volume that goes is waited for',
    { claim: claim(), volume: accepted({ isGoing: true }) },
    '-',
    '-',
  ],
  [
    'a Volume that goes is let go',
    { claim: claim(), volume: accepted({ isGoing: true, isHeld: true }) },
    'free-volume',
    '-',
  ],
  [
    'a Volume without an address is waited for',
    { claim: claim(), volume: accepted({ portal: '' }) },
    '-',
    '-',
  ],
  [
    'a name is no address',
    { claim: claim(), volume: accepted({ portal: 'v-x.keelson-system.svc:3260' }) },
    '-',
    '-',
  ],
  [
    'a Volume is marked before it is given away',
    { claim: claim(), volume: accepted() },
    'mark-volume',
    '-',
  ],
  [
    'a Volume is given away',
    { claim: claim(), volume: accepted({ isMarked: true }) },
    'create-pv',
    'ProvisioningSucceeded',
  ],
  [
    'with an address of IPv6',
    { claim: claim(), volume: accepted({ isMarked: true, portal: '[fd00::7]:3260' }) },
    'create-pv',
    'ProvisioningSucceeded',
  ],
  [
    'a claim is bound by Kubernetes',
    {
      claim: claim(),
      volume: accepted({ isMarked: true }),
      persistentVolume: persistentVolume({ phase: 'Available' }),
    },
    '-',
    '-',
  ],
  [
    'a bound claim rests',
    {
      claim: boundClaim(),
      volume: accepted({ isMarked: true }),
      persistentVolume: persistentVolume(),
    },
    '-',
    '-',
  ],
  [
    'a claim that goes while bound rests',
    {
      claim: { ...boundClaim(), metadata: { ...boundClaim().metadata, ...GOING } },
      volume: accepted(),
      persistentVolume: persistentVolume(),
    },
    '-',
    '-',
  ],
  [
    'a bound claim whose Volume is gone is told',
    { claim: boundClaim(), persistentVolume: persistentVolume() },
    '-',
    'VolumeLost',
  ],
  [
    'a bound claim whose Volume is another is told',
    {
      claim: boundClaim(),
      volume: accepted({ id: '6'.repeat(32) }),
      persistentVolume: persistentVolume(),
    },
    '-',
    'VolumeLost',
  ],
  [
    'a claim whose PersistentVolume is gone gets no empty one',
    { claim: boundClaim(), volume: accepted({ isMarked: true }) },
    '-',
    '-',
  ],
  ['what was never given away goes with its claim', { volume: accepted() }, 'delete-volume', '-'],
  [
    'what was never accepted goes with its claim',
    { volume: volume({ refusal: 'no room' }) },
    'delete-volume',
    '-',
  ],
  ['it goes once', { volume: accepted({ isGoing: true }) }, '-', '-'],
  [
    'what was given away stays without its claim',
    { volume: accepted({ isMarked: true }) },
    '-',
    '-',
  ],
  [
    'what was given away is let go without its claim',
    { volume: accepted({ isMarked: true, isHeld: true }) },
    'free-volume',
    '-',
  ],
  ['a Volume of that name that is not ours stays', { volume: foreign }, '-', '-'],
  [
    'a claim took another PersistentVolume',
    { claim: claim({ volumeName: 'by-hand' }), volume: accepted() },
    'delete-volume',
    '-',
  ],
  ['without a claim, Volume or PersistentVolume there is nothing', {}, '-', '-'],
])('%s', (_, seen, step, reason) => {
  const decision = nextStep(facts(seen));
  expect([decision.step?.kind ?? '-', decision.notice?.reason ?? '-']).toEqual([step, reason]);
});

const released = (shape = {}) => persistentVolume({ phase: 'Released', ...shape });
const retained = (shape = {}) => released({ policy: 'Retain', ...shape });

test.each<[string, Partial<Facts>, string, string]>([
  [
    'released: the Volume is deleted',
    { persistentVolume: released(), volume: accepted() },
    'delete-volume',
    '-',
  ],
  [
    'released: the Volume goes first',
    { persistentVolume: released(), volume: accepted({ isGoing: true }) },
    '-',
    '-',
  ],
  [
    'released: the Volume is let go before it is deleted',
    { persistentVolume: released(), volume: accepted({ isHeld: true }) },
    'free-volume',
    '-',
  ],
  [
    'released: the Volume is let go',
    { persistentVolume: released(), volume: accepted({ isGoing: true, isHeld: true }) },
    'free-volume',
    '-',
  ],
  [
    'released: a Volume in use is told',
    {
      persistentVolume: released(),
      volume: accepted({ isGoing: true, inUse: 'one is logged in' }),
    },
    '-',
    'VolumeFailedDelete',
  ],
  ['released: then the PersistentVolume', { persistentVolume: released() }, 'delete-pv', '-'],
  [
    'released: then it is let go',
    { persistentVolume: released({ isDeleted: true }) },
    'free-pv',
    '-',
  ],
  [
    'released: others keep it',
    { persistentVolume: released({ isDeleted: true, finalizers: ['x'] }) },
    '-',
    '-',
  ],
  [
    'released: another volume of that name stays',
    { persistentVolume: released(), volume: accepted({ id: '6'.repeat(32) }) },
    'delete-pv',
    '-',
  ],
  [
    'failed: as released',
    { persistentVolume: persistentVolume({ phase: 'Failed' }), volume: accepted() },
    'delete-volume',
    '-',
  ],
  [
    'released: of another provisioner it stays',
    { persistentVolume: released({ by: 'other.io' }), volume: accepted({ isMarked: true }) },
    '-',
    '-',
  ],
  [
    'released: still bound it stays',
    { claim: boundClaim(), persistentVolume: released(), volume: accepted() },
    '-',
    '-',
  ],
  ['retained: both stay', { persistentVolume: retained(), volume: accepted() }, '-', '-'],
  [
    'retained: both stay although the Volume is deleted',
    { persistentVolume: retained(), volume: accepted({ isGoing: true, isHeld: true }) },
    '-',
    '-',
  ],
  [
    'retained: deleted by hand, the Volume may be deleted, too',
    { persistentVolume: retained({ isDeleted: true }), volume: accepted({ isHeld: true }) },
    'free-volume',
    '-',
  ],
  [
    'retained: deleted by hand, the Volume stays',
    { persistentVolume: retained({ isDeleted: true }), volume: accepted() },
    'free-pv',
    '-',
  ],
  [
    'retained: deleted by hand and let go, nothing',
    { persistentVolume: retained({ isDeleted: true, finalizers: [] }), volume: accepted() },
    '-',
    '-',
  ],
  [
    'deleted by hand while bound: it stays',
    {
      claim: boundClaim(),
      persistentVolume: persistentVolume({ isDeleted: true }),
      volume: accepted(),
    },
    '-',
    '-',
  ],
  [
    'deleted by hand before it was released: the Volume goes',
    { persistentVolume: persistentVolume({ isDeleted: true }), volume: accepted() },
    'delete-volume',
    '-',
  ],
  [
    'bound to nobody yet, it stays',
    { persistentVolume: persistentVolume({ phase: 'Available' }), volume: accepted() },
    '-',
    '-',
  ],
])('PersistentVolume %s', (_, seen, step, reason) => {
  const decision = nextStep(facts(seen));
  expect([decision.step?.kind ?? '-', decision.notice?.reason ?? '-']).toEqual([step, reason]);
});

test('what is deleted is what was seen, and no other of that name', () => {
  expect(nextStep(facts({ volume: accepted() })).step).toMatchObject({
    metadata: { uid: 'of the volume' },
  });
  expect(nextStep(facts({ persistentVolume: released() })).step).toMatchObject({
    metadata: { uid: 'of the pv' },
  });
});

test('a refused Volume is corrected without what others have added to it', () => {
  const wrong = volume({ refusal: 'no room', size: '2Gi' });
  const labelled = { ...wrong, metadata: { ...wrong.metadata, labels: { added: 'by others' } } };
  const asked = claim({}, { labels: { env: 'prod' } });
  const { step } = nextStep(facts({ claim: asked, volume: labelled }));
  expect(step).toMatchObject({
    volume: {
      metadata: { uid: 'of the volume', labels: { added: 'by others', env: 'prod' } },
      spec: { size: '1Gi' },
    },
  });
});

test('a PersistentVolume without the id of a volume is behind none', () => {
  const pv = persistentVolume({ phase: 'Released' });
  const { 'keelson.io/volume-id': _id, ...labels } = pv.metadata.labels ?? {};
  const unnamed = { ...pv, metadata: { ...pv.metadata, labels } };
  const { step } = nextStep(facts({ persistentVolume: unnamed, volume: volume() }));
  expect(step?.kind).toBe('delete-pv');
  expect(ID).toBe(pv.metadata.labels?.['keelson.io/volume-id']);
});
