import type { Claim } from '../../../../orchestrator/kubernetes/objects.ts';
import { nextStep } from '../../../../orchestrator/provisioner/core/claim-plan.ts';
import type { Decision } from '../../../../orchestrator/provisioner/core/facts.ts';
import {
  accepted,
  boundClaim,
  facts,
  GIB,
  type PvShape,
  persistentVolume,
  storageClass,
  type VolumeShape,
} from './support/objects.ts';

const PENDING = 'FileSystemResizePending';

interface Seen {
  readonly claim: Claim;
  readonly volume?: VolumeShape;
  readonly pv?: PvShape;
  readonly storageClass?: ReturnType<typeof storageClass> | undefined;
}

function decide(seen: Seen): Decision {
  const given = 'storageClass' in seen ? { storageClass: seen.storageClass } : {};
  return nextStep(
    facts({
      claim: seen.claim,
      volume: accepted({ isMarked: true, ...seen.volume }),
      persistentVolume: persistentVolume(seen.pv),
      ...given,
    }),
  );
}

const resizing = (message: string) => ({
  conditions: [{ type: 'Resizing', status: 'True' as const, message }],
});
const GROWS = resizing('the volume grows to 2Gi');

test('a claim that asks for more says so, then its Volume grows', () => {
  const claim = boundClaim('2Gi');
  expect(decide({ claim }).step).toMatchObject({
    ...{ kind: 'set-claim-status', capacity: '1Gi' },
    findings: [{ type: 'Resizing', message: 'the volume grows to 2Gi' }],
  });
  const told = boundClaim('2Gi', GROWS);
  expect(decide({ claim: told })).toEqual({ step: { kind: 'grow-volume', size: '2Gi' } });
});

test('a claim that asks for no whole blocks gets a block more', () => {
  const claim = boundClaim('1073741825', resizing('the volume grows to 1048580Ki'));
  expect(decide({ claim }).step).toEqual({ kind: 'grow-volume', size: '1048580Ki' });
});

test('a Volume that has been told to grow is waited for', () => {
  expect(decide({ claim: boundClaim('2Gi', GROWS), volume: { size: '2Gi' } })).toEqual({});
});

test('a Volume that has grown is told: the PersistentVolume first, then the claim', () => {
  const volume = { size: '2Gi', servedBytes: 2 * GIB };
  const claim = boundClaim('2Gi', GROWS);
  expect(decide({ claim, volume }).step).toEqual({ kind: 'grow-pv', capacity: '2Gi' });
  const decision = decide({ claim, volume, pv: { capacity: '2Gi' } });
  expect(decision.step).toMatchObject({
    ...{ kind: 'set-claim-status', capacity: '2Gi' },
    findings: [{ type: PENDING, status: 'True', message: expect.stringMatching(/resize2fs/) }],
  });
  expect(decision.notice?.reason).toBe('FileSystemResizeRequired');
});

test('a disk without a file system has grown when it has grown', () => {
  const volume = { size: '2Gi', servedBytes: 2 * GIB };
  const pv = { capacity: '2Gi', volumeMode: 'Block' } as const;
  const decision = decide({ claim: boundClaim('2Gi', GROWS), volume, pv });
  expect(decision.step).toEqual({ kind: 'set-claim-status', capacity: '2Gi', findings: [] });
  expect(decision.notice?.reason).toBe('VolumeResizeSuccessful');
});

describe('a file system that is to be grown by hand', () => {
  const volume = { size: '2Gi', servedBytes: 2 * GIB };
  const pv = { capacity: '2Gi' };
  const { step } = decide({ claim: boundClaim('2Gi'), volume, pv });
  const findings = step?.kind === 'set-claim-status' ? step.findings : [];
  const told = boundClaim('2Gi', { capacity: { storage: '2Gi' }, conditions: findings });
  const saying = (size: string): Claim => ({
    ...told,
    metadata: { ...told.metadata, annotations: { 'keelson.io/file-system-size': size } },
  });

  test('stays until its owner says that it is done', () => {
    expect(findings).toHaveLength(1);
    expect(decide({ claim: told, volume, pv })).toEqual({});
    expect(decide({ claim: saying('1Gi'), volume, pv })).toEqual({});
    expect(decide({ claim: saying('lots'), volume, pv })).toEqual({});
    expect(decide({ claim: saying('2Gi'), volume, pv })).toEqual({
      step: { kind: 'set-claim-status', capacity: '2Gi', findings: [] },
    });
  });

  test('stays while the volume grows once more', () => {
    const claim = { ...told, spec: boundClaim('3Gi').spec };
    const { step } = decide({ claim: claim as Claim, volume, pv });
    expect(step).toMatchObject({
      findings: [{ type: 'Resizing' }, { type: PENDING, message: findings[0]?.message }],
    });
  });
});

test('a Volume that somebody has grown by hand is told', () => {
  const volume = { size: '3Gi', servedBytes: 3 * GIB };
  expect(decide({ claim: boundClaim(), volume }).step).toEqual({
    ...{ kind: 'grow-pv', capacity: '3Gi' },
  });
});

test('conditions of others are left alone', () => {
  const conditions = [{ type: 'Other', status: 'True' as const }];
  expect(decide({ claim: boundClaim('1Gi', { conditions }) })).toEqual({});
});

test.each<[string, Seen, RegExp]>([
  [
    'by a class that does not allow it',
    { claim: boundClaim('2Gi'), storageClass: storageClass({ allowVolumeExpansion: false }) },
    /StorageClass fast has no allowVolumeExpansion: true/,
  ],
  ['beyond the largest size', { claim: boundClaim('100Ti') }, /expected 1MiB to 64TiB, got 100Ti/],
  [
    'for which there is no room',
    { claim: boundClaim('2Gi'), volume: { size: '2Gi', refusal: 'the disk of n1 is full' } },
    /the disk of n1 is full/,
  ],
])('growth %s is refused, and the claim keeps what it has', (_, seen, why) => {
  const decision = decide(seen);
  expect(decision.step).toBeUndefined();
  expect(decision.notice).toMatchObject({ type: 'Warning', reason: 'VolumeResizeFailed' });
  expect(decision.notice?.message).toMatch(why);
});

test('growth goes on when the class is gone', () => {
  const seen = { claim: boundClaim('2Gi', GROWS), storageClass: undefined };
  expect(decide(seen).step?.kind).toBe('grow-volume');
});

test('growth waits for a claim to be bound', () => {
  const claim = { ...boundClaim('2Gi'), status: { phase: 'Pending' as const } };
  expect(decide({ claim })).toEqual({});
});
