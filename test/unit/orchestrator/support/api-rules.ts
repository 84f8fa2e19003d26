import type { KubeApi } from '../../../../orchestrator/kubernetes/kube-api.ts';
import type { VolumeObject } from '../../../../orchestrator/kubernetes/objects.ts';
import { SECRETS, VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';

/** What the store relies on of an API server: the one in memory and a real one both keep to it. */
export interface ApiRule {
  readonly name: string;
  readonly check: (api: KubeApi, namespace: string) => Promise<void>;
}

const FINALIZER = 'keelson.io/data';

function volume(namespace: string, more: Partial<VolumeObject['metadata']> = {}): VolumeObject {
  return { metadata: { namespace, name: 'rules', ...more }, spec: { size: '1Gi' } };
}

export const API_RULES: readonly ApiRule[] = [
  {
    name: 'compares versions, and changes none for nothing',
    check: async (api, namespace) => {
      const first = await api.create(VOLUMES, volume(namespace));
      const second = await api.replace(VOLUMES, { ...first, spec: { size: '2Gi' } });
      expect(second.metadata).toMatchObject({ generation: 2, uid: first.metadata.uid });
      expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
      await expect(api.replace(VOLUMES, first)).rejects.toMatchObject({ code: 'CONFLICT' });
      const { resourceVersion } = first.metadata;
      const late = { metadata: { resourceVersion }, spec: { size: '3Gi' } };
      const patched = api.patch(VOLUMES, first.metadata, late);
      await expect(patched).rejects.toMatchObject({ code: 'CONFLICT' });
      const stale = { ...first, status: { health: 'healthy' } };
      const replaced = api.replace(VOLUMES, stale, 'status');
      await expect(replaced).rejects.toMatchObject({ code: 'CONFLICT' });
      expect(await api.replace(VOLUMES, second)).toEqual(second);
      const again = api.create(VOLUMES, volume(namespace));
      await expect(again).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    },
  },
  {
    name: 'changes a status through its own door alone',
    check: async (api, namespace) => {
      const made = await api.create(VOLUMES, { ...volume(namespace), status: { health: 'x' } });
      expect(made.status).toBeUndefined();
      const name = made.metadata;
      const patch = { spec: { size: '9Gi' }, status: { health: 'healthy', portal: null } };
      const told = await api.patch(VOLUMES, name, patch, 'status');
      expect(told).toMatchObject({ spec: { size: '1Gi' }, status: { health: 'healthy' } });
      expect(told.metadata.generation).toBe(1);
      const grown = await api.patch(VOLUMES, name, { spec: { size: '2Gi' }, status: null });
      expect(grown).toMatchObject({ spec: { size: '2Gi' }, status: { health: 'healthy' } });
    },
  },
  {
    name: 'keeps what is null in a record, which a status patch beside it leaves alone',
    check: async (api, namespace) => {
      const made = await api.create(VOLUMES, volume(namespace));
      const record = {
        chapKey: null,
        membership: { controller: null, copies: { r1: { b: null } } },
      };
      const stored = await api.replace(VOLUMES, { ...made, status: { record } }, 'status');
      expect(stored.status?.record).toEqual(record);
      const told = await api.patch(VOLUMES, made.metadata, { status: { portal: 'x' } }, 'status');
      expect(told.status?.record).toEqual(record);
    },
  },
  {
    name: 'keeps what has a finalizer, and takes no new one for what is to go',
    check: async (api, namespace) => {
      const held = await api.create(VOLUMES, volume(namespace, { finalizers: [FINALIZER] }));
      const name = held.metadata;
      await api.remove(VOLUMES, name);
      const leaving = await api.get(VOLUMES, name);
      expect(leaving?.metadata.deletionTimestamp).toBeDefined();
      const more = { metadata: { finalizers: [FINALIZER, 'example.com/other'] } };
      await expect(api.patch(VOLUMES, name, more)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
      await api.patch(VOLUMES, name, { metadata: { finalizers: null } });
      expect(await api.get(VOLUMES, name)).toBeUndefined();
      const next = await api.create(VOLUMES, volume(namespace));
      expect(next.metadata.uid).not.toBe(held.metadata.uid);
      const { uid = '' } = held.metadata;
      await api.remove(VOLUMES, name, { uid }); // it is gone: the other one stays
      expect(await api.get(VOLUMES, name)).toEqual(next);
      const old = api.replace(VOLUMES, { ...next, metadata: { ...next.metadata, uid } });
      await expect(old).rejects.toMatchObject({ code: 'CONFLICT' });
    },
  },
  {
    name: 'says what is missing, and lets what is gone be removed',
    check: async (api, namespace) => {
      const name = { namespace, name: 'rules' };
      expect(await api.get(SECRETS, name)).toBeUndefined();
      await api.remove(SECRETS, name);
      await expect(api.patch(SECRETS, name, { data: {} })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      const missing = api.replace(SECRETS, { metadata: name });
      await expect(missing).rejects.toMatchObject({ code: 'NOT_FOUND' });
    },
  },
];
