import { assert, unreachable } from '../../replica/common/assert.ts';
import type { Informer, KubeApi, MergePatch } from '../kubernetes/kube-api.ts';
import type { Claim, Metadata, PersistentVolume, VolumeObject } from '../kubernetes/objects.ts';
import { CLAIMS, PERSISTENT_VOLUMES, VOLUMES } from '../kubernetes/resources.ts';
import { conditionsIn, withFindings } from '../operator/conditions.ts';
import type { Facts, Step } from './core/facts.ts';
import { CLAIM_CONDITIONS } from './core/growth-plan.ts';
import { PERSISTENT_VOLUME, PV_FINALIZER } from './core/names.ts';

/** Where steps are taken, and who is told of what the server answers. */
export interface Scene {
  readonly api: KubeApi;
  readonly claims: Informer<Claim>;
  readonly volumes: Informer<VolumeObject>;
  readonly persistentVolumes: Informer<PersistentVolume>;
  readonly now: () => Date;
}

/** Makes one call. Errors: those of KubeApi; what it did is not known after UNAVAILABLE. */
export async function carryOut(step: Step, facts: Facts, scene: Scene): Promise<void> {
  const { api, volumes, persistentVolumes } = scene;
  const { address } = facts;
  switch (step.kind) {
    case 'create-volume':
      return volumes.note(await api.create(VOLUMES, step.volume));
    case 'replace-volume':
      return volumes.note(await api.replace(VOLUMES, step.volume));
    case 'mark-volume': {
      const annotations = { [PERSISTENT_VOLUME]: address.name };
      return patchVolume(facts, scene, { metadata: { annotations } });
    }
    case 'grow-volume':
      return patchVolume(facts, scene, { spec: { size: step.size } });
    case 'delete-volume':
      return api.remove(VOLUMES, address, sameOne(step.metadata));
    case 'create-pv':
      return persistentVolumes.note(await api.create(PERSISTENT_VOLUMES, step.persistentVolume));
    case 'grow-pv': {
      const spec = { capacity: { storage: step.capacity } };
      return persistentVolumes.note(await api.patch(PERSISTENT_VOLUMES, nameOfPv(facts), { spec }));
    }
    case 'delete-pv':
      return api.remove(PERSISTENT_VOLUMES, nameOfPv(facts), sameOne(step.metadata));
    case 'free-pv':
      return freePv(step.metadata, scene);
    case 'set-claim-status':
      return setClaimStatus(step, facts, scene);
    default:
      return unreachable(step, 'step');
  }
}

/** Only the one that was seen. */
async function patchVolume(
  { address, volume }: Facts,
  { api, volumes }: Scene,
  patch: { readonly metadata?: MergePatch; readonly spec?: MergePatch },
): Promise<void> {
  const metadata = { ...patch.metadata, uid: volume?.metadata.uid };
  volumes.note(await api.patch(VOLUMES, address, { ...patch, metadata }));
}

/** A list is replaced as a whole, so only while nobody else has changed it. */
async function freePv(metadata: Metadata, { api }: Scene): Promise<void> {
  const { name, resourceVersion, finalizers = [] } = metadata;
  const kept = finalizers.filter((finalizer) => finalizer !== PV_FINALIZER);
  await api.patch(
    PERSISTENT_VOLUMES,
    { name },
    { metadata: { resourceVersion, finalizers: kept } },
  );
}

async function setClaimStatus(
  { capacity, findings }: Extract<Step, { kind: 'set-claim-status' }>,
  { claim }: Facts,
  { api, claims, now }: Scene,
): Promise<void> {
  assert(claim !== undefined, 'the status is that of a claim that is there');
  const { namespace, name, resourceVersion } = claim.metadata;
  const conditions = withFindings(conditionsIn(claim.status), findings, {
    ...{ ours: CLAIM_CONDITIONS, nowText: now().toISOString(), generation: undefined },
  });
  const patch = {
    metadata: { resourceVersion },
    status: { capacity: { storage: capacity }, conditions },
  };
  claims.note(await api.patch(CLAIMS, { namespace, name }, patch, 'status'));
}

function nameOfPv({ address }: Facts): { readonly name: string } {
  return { name: address.name };
}

function sameOne({ uid }: Metadata): { readonly uid?: string } {
  return uid === undefined ? {} : { uid };
}
