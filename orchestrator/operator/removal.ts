import { KeelsonError } from '../../replica/common/errors.ts';
import type { Installation } from '../installation/installation.ts';
import type { KubeApi } from '../kubernetes/kube-api.ts';
import type { VolumeObject } from '../kubernetes/objects.ts';
import { NAMESPACES, VOLUMES } from '../kubernetes/resources.ts';
import type { VolumeRecord } from '../model/volume.ts';
import { DATA_FINALIZER } from '../platforms/kubernetes/names.ts';
import { HOLD } from '../provisioner/core/names.ts';
import type { Deletion } from './verdict.ts';

/** On a Volume that is to be deleted although initiators are logged in, or may be: `true`. */
export const FORCE_DELETE = 'keelson.io/force-delete';

export interface RemovalOptions {
  readonly api: KubeApi;
  /** The system namespace. */
  readonly namespace: string;
  readonly installation: Pick<Installation, 'registry' | 'view' | 'delete'>;
}

/**
 * Deletes the volume of an object that was deleted, once nobody uses it. The object stays for as long,
 * by its finalizer.
 *
 * Errors: UNAVAILABLE, it goes on, or Keelson is being removed; those of the API server.
 */
export async function removeVolume(
  address: string,
  object: VolumeObject,
  {
    api,
    namespace,
    installation,
    tell,
  }: RemovalOptions & { readonly tell: (deletion: Deletion) => void },
): Promise<void> {
  const record = installation.registry.get(address);
  if (record === undefined) {
    if (installation.registry.faultOf(address)?.kind === 'new') await letGo(object, api);
    return;
  }
  const isForced = object.metadata.annotations?.[FORCE_DELETE] === 'true';
  if (!record.isDeleting && !isForced) {
    const held = whyHeld(object);
    const why = held ?? (await whyInUse(address, record, installation));
    if (why !== undefined) {
      tell({ state: 'waits', reason: held === undefined ? 'InitiatorsLoggedIn' : 'Held', why });
      return;
    }
  }
  await refuseAtTheEnd(address, api, namespace);
  tell({ state: 'going-on' });
  await installation.delete(address, { isForced: true });
}

/**
 * `kubectl delete -k manifests/` deletes the definition of Volume, too, and so all of them: nobody has
 * said that the data is to go.
 */
async function refuseAtTheEnd(address: string, api: KubeApi, namespace: string): Promise<void> {
  const system = await api.get(NAMESPACES, { name: namespace });
  if (system?.metadata.deletionTimestamp === undefined) return;
  throw new KeelsonError(
    'UNAVAILABLE',
    `delete volume ${address}: namespace ${namespace} is being deleted, and Keelson with it; the data stays`,
  );
}

/** There never was any data, so there is nothing to wait for. */
async function letGo({ metadata }: VolumeObject, api: KubeApi): Promise<void> {
  const { finalizers = [], resourceVersion } = metadata;
  if (!finalizers.includes(DATA_FINALIZER)) return;
  const others = finalizers.filter((name) => name !== DATA_FINALIZER);
  await api.patch(VOLUMES, metadata, { metadata: { resourceVersion, finalizers: others } });
}

/** The data goes last: whoever else keeps the object by a finalizer still counts on it. */
function whyHeld({ metadata: { name, finalizers = [] } }: VolumeObject): string | undefined {
  const holder = finalizers.find((finalizer) => finalizer !== DATA_FINALIZER);
  if (holder === undefined) return undefined;
  return holder === HOLD
    ? `PersistentVolume ${name} stands for it; it is deleted when that is gone: delete the claim, and ` +
        'the PersistentVolume if it is one that is retained'
    : `finalizer ${holder} keeps it; it is deleted when that is gone`;
}

async function whyInUse(
  address: string,
  { spec, membership }: VolumeRecord,
  installation: Pick<Installation, 'view'>,
): Promise<string | undefined> {
  if (membership.epoch === 0) return undefined; // no controller ever served it
  const { sessions } = (await installation.view(address)).controller;
  if (sessions === 0) return undefined;
  const why =
    sessions === null
      ? 'its controller does not say whether initiators are logged in'
      : `${sessions} initiator ${sessions === 1 ? 'session is' : 'sessions are'} logged in`;
  return (
    `${why}; it is deleted when nobody uses it any more: end the pods that do, or give it up as it ` +
    `is: kubectl annotate volume ${spec.name} --namespace ${spec.namespace} ${FORCE_DELETE}=true`
  );
}
