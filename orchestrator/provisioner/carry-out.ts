import { assert, unreachable } from '../../replica/common/assert.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import type {
  Claim,
  KubeObject,
  Metadata,
  PersistentVolume,
  VolumeObject,
} from '../kubernetes/objects.ts';
import { CLAIMS, PERSISTENT_VOLUMES, type Resource, VOLUMES } from '../kubernetes/resources.ts';
import { conditionsIn, withFindings } from '../operator/conditions.ts';
import type { Facts, Step } from './core/facts.ts';
import { CLAIM_CONDITIONS } from './core/growth-plan.ts';
import { HOLD, PERSISTENT_VOLUME } from './core/names.ts';

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
      const { resourceVersion, finalizers = [] } = step.metadata;
      const annotations = { [PERSISTENT_VOLUME]: address.name };
      const metadata = { resourceVersion, annotations, finalizers: [...finalizers, HOLD] };
      return volumes.note(await api.patch(VOLUMES, address, { metadata }));
    }
    case 'grow-volume': {
      const patch = { metadata: sameOne(facts.volume?.metadata), spec: { size: step.size } };
      return volumes.note(await api.patch(VOLUMES, address, patch));
    }
    case 'free-volume':
      return volumes.note(await free(VOLUMES, step.metadata, api));
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
      await free(PERSISTENT_VOLUMES, step.metadata, api);
      return;
    case 'set-claim-status':
      return setClaimStatus(step, facts, scene);
    default:
      return unreachable(step, 'step');
  }
}

/** A list is replaced as a whole, so only while nobody else has changed it. */
function free<T extends KubeObject>(
  resource: Resource<T>,
  metadata: Metadata,
  api: KubeApi,
): Promise<T> {
  const { resourceVersion, finalizers = [] } = metadata;
  const kept = finalizers.filter((finalizer) => finalizer !== HOLD);
  return api.patch(resource, metadata, { metadata: { resourceVersion, finalizers: kept } });
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

function sameOne({ uid }: Partial<Metadata> = {}): { readonly uid?: string } {
  return uid === undefined ? {} : { uid };
}
