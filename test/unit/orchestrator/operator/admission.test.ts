import {
  NAMESPACES,
  NODES,
  SECRETS,
  VOLUMES,
} from '../../../../orchestrator/kubernetes/resources.ts';
import { KeelsonError } from '../../../../replica/common/errors.ts';
import { type OperatorStage, pass, useStage } from './support/operator-stage.ts';

const CHAP = {
  'node.session.auth.username': 'alice',
  'node.session.auth.password': 'twelve-or-more',
};
const IN_FORCE = 'True Accepted: its spec is in force';

let stage: OperatorStage;

useStage((made) => {
  stage = made;
});

function record(name = 'data') {
  return stage.installation.registry.require(`shop/${name}`);
}

describe('a Volume that somebody applies', () => {
  test('becomes a volume, and its status says so', async () => {
    await stage.apply('data', { size: '2Gi', replicas: 2, failureMode: 'hard' }, { env: 'prod' });
    expect(record()).toMatchObject({
      spec: { sizeBytes: 2 * 1024 ** 3, replicas: 2, failureMode: 'hard' },
      labels: { env: 'prod', 'keelson.io/replicas': '2' },
    });
    await pass(5_000);
    expect(stage.condition('data')).toBe(IN_FORCE);
    expect(stage.volume('data')?.status).toMatchObject({
      ...{ observedGeneration: 1, targetName: expect.stringContaining('data') },
      copies: [{ replicaId: 'r1' }, { replicaId: 'r2' }, { replicaId: 'r3' }],
    });
    expect(stage.eventsOf('data')).toContain('Normal Created x1: created');
  });

  test('gets its first copy on the node that is preferred, and the defaults of its class', async () => {
    const placement = { preferredNode: 'n3' };
    await stage.apply('data', { placement, defaults: { 'keelson.io/replicas': '1' } });
    expect(record().membership.copies.r1?.node).toBe('n3');
    expect(record().spec.replicas).toBe(1);
  });

  test('changes the volume when it is edited: fields, labels, size', async () => {
    await stage.apply('data', { size: '1Gi', replicas: 1 }, { env: 'test' });
    await stage.apply('data', { size: '2Gi', failureMode: 'alwayson' }, { tier: 'db' });
    expect(record()).toMatchObject({
      spec: { sizeBytes: 2 * 1024 ** 3, replicas: 0, failureMode: 'alwayson' },
      labels: { tier: 'db', 'keelson.io/failure-mode': 'alwayson' },
    });
    expect(record().labels).not.toHaveProperty('env');
    expect(stage.condition('data')).toBe(IN_FORCE);
  });

  test('with two names for one thing comes to rest', async () => {
    const labels = { 'keelson.io/replicas': '1', 'storageos.com/replicas': '1' };
    await stage.apply('data', {}, { 'keelson.io/replicas': '1' });
    await stage.apply('data', { size: '2Gi' }, labels);
    await stage.apply('data', { size: '3Gi' }, { ...labels, env: 'prod' });
    expect(record().labels).toEqual({ ...labels, env: 'prod' });
    const before = stage.client.calls.length;
    await pass(300_000);
    expect(stage.client.calls.slice(before)).toEqual([]);
  });

  test('is what the command line made of it since, and is not taken back', async () => {
    await stage.apply('data', { replicas: 1 });
    const update = { labelsAdd: { 'keelson.io/replicas': '2' }, labelsRemove: [] };
    await stage.installation.update('shop/data', update);
    await pass(60_000);
    expect(record().spec.replicas).toBe(2);
    expect(stage.volume('data')?.spec).toMatchObject({ replicas: 2 });
    expect(stage.condition('data')).toBe(IN_FORCE);
  });
});

describe('a Volume that cannot be had', () => {
  test('for want of nodes says how many there are, once, and is made when there are more', async () => {
    await stage.apply('data', { replicas: 3 });
    const refusal =
      'place 4 copies (replicas=3): limited by the number of nodes, expected at least 4, got 3; ' +
      'ask for fewer replicas or add nodes';
    expect(stage.condition('data')).toBe(`False NoRoom: ${refusal}`);
    expect(stage.volume('data')?.status).toMatchObject({ message: refusal });
    await pass(600_000);
    expect(stage.eventsOf('data')).toEqual([`Warning NoRoom x1: ${refusal}`]);
    stage.addNode('n4');
    await pass(1_000);
    expect(stage.condition('data')).toBe(IN_FORCE);
    expect(record().spec.replicas).toBe(3);
    await pass(1_000);
    expect(stage.eventsOf('data', /Accepted/)).toEqual([
      'Normal Accepted x1: its spec is in force',
    ]);
  });

  test('is refused without a write, and tried again ever more rarely', async () => {
    await stage.apply('data', { replicas: 5 });
    await pass(60_000);
    const before = stage.client.calls.length;
    await pass(300_000);
    expect(stage.client.calls.slice(before)).toEqual([]);
  });

  test('with labels that contradict its spec names both', async () => {
    await stage.apply('data', { replicas: 2 }, { 'keelson.io/replicas': '1' });
    expect(stage.condition('data')).toBe(
      'False InvalidSpec: spec.replicas: says 2, but the label keelson.io/replicas says 1; give only ' +
        'one of them',
    );
    await stage.apply('data', { replicas: 2 });
    expect(stage.condition('data')).toBe(IN_FORCE);
  });

  test('with a label of ours that nobody knows names it', async () => {
    await stage.apply('data', {}, { 'keelson.io/replica': '1' });
    expect(stage.condition('data')).toMatch(
      /^False InvalidSpec: .*label keelson.io\/replica: not known; expected one of keelson.io\/replicas,/,
    );
  });

  test('because Keelson may not write says so, and not that there is no room', async () => {
    const { create } = stage.client;
    stage.client.create = async () => {
      throw new KeelsonError('FAILED_PRECONDITION', 'create Secret: forbidden');
    };
    await stage.apply('data', {});
    expect(stage.condition('data')).toBe('False Failed: create Secret: forbidden');
    stage.client.create = create;
    await pass(31_000);
    expect(stage.condition('data')).toBe(IN_FORCE);
  });

  test('is deleted at once: there is nothing to erase', async () => {
    await stage.apply('data', { replicas: 5 });
    stage.kube.remove(VOLUMES, { namespace: 'shop', name: 'data' });
    await pass(1_000);
    expect(stage.volume('data')).toBeUndefined();
    expect(stage.platform.erased).toEqual([]);
  });
});

describe('an edit that is refused leaves the volume as it is', () => {
  test('when it would shrink', async () => {
    await stage.apply('data', { size: '2Gi', replicas: 1 });
    await stage.apply('data', { size: '1Gi', replicas: 2 });
    expect(stage.condition('data')).toBe(
      'False WouldShrink: spec.size: expected at least 2GiB, which the volume has, got 1GiB; a volume ' +
        'never shrinks: set the size back, or make a smaller volume and copy',
    );
    expect(record().spec).toMatchObject({ sizeBytes: 2 * 1024 ** 3, replicas: 1 });
    expect(stage.condition('data', 'Ready')).toMatch(/^True Served/);
    await stage.apply('data', { size: '2Gi', replicas: 2 });
    expect(stage.condition('data')).toBe(IN_FORCE);
    expect(record().spec.replicas).toBe(2);
  });

  test('when there are too few nodes, and is carried out when a node takes copies again', async () => {
    await stage.apply('data', { replicas: 1 });
    const node = stage.kube.get(NODES, { name: 'n3' });
    if (node === undefined) throw new Error('n3 was made');
    stage.kube.replace(NODES, { ...node, spec: { unschedulable: true } });
    await stage.apply('data', { replicas: 2 });
    expect(stage.condition('data')).toMatch(
      /^False NoRoom: place 3 copies \(replicas=2\): .* got 2, n3 is cordoned; ask/,
    );
    expect(record().spec.replicas).toBe(1);
    stage.kube.patch(NODES, { name: 'n3' }, { spec: { unschedulable: null } });
    await pass(1_000);
    expect(record().spec.replicas).toBe(2);
    expect(stage.condition('data')).toBe(IN_FORCE);
  });
});

describe('the CHAP Secret of a Volume', () => {
  const spec = { chapSecretRef: { name: 'chap' } };

  test('that is missing is waited for, and told in words', async () => {
    await stage.apply('data', spec);
    expect(stage.condition('data')).toMatch(
      /^False ChapSecretMissing: Secret shop\/chap: it does not exist; make it, with type kubernetes/,
    );
    expect(stage.installation.registry.get('shop/data')).toBeUndefined();
    stage.putSecret('chap', CHAP);
    await pass(31_000);
    expect(stage.condition('data')).toBe(IN_FORCE);
    expect(record().chap?.users).toEqual([{ name: 'alice', secret: 'twelve-or-more' }]);
  });

  test('is in no condition, event or status', async () => {
    stage.putSecret('chap', { ...CHAP, 'node.session.auth.password_in': 'half-of-mutual' });
    await stage.apply('data', spec);
    expect(stage.condition('data')).toMatch(/^False ChapSecretInvalid/);
    stage.putSecret('chap', CHAP);
    await pass(31_000);
    expect(stage.condition('data')).toBe(IN_FORCE);
    const shown = JSON.stringify([stage.volume('data'), stage.eventsOf('data')]);
    expect(shown).not.toMatch(/twelve-or-more|half-of-mutual|dHdlbHZl/);
  });

  test('that may not be read says who has to allow it, and how', async () => {
    const get = stage.client.get.bind(stage.client);
    stage.client.get = async (resource, name) => {
      if (resource.plural === SECRETS.plural && name.namespace === 'shop') {
        throw new KeelsonError('FAILED_PRECONDITION', 'secrets "chap" is forbidden');
      }
      return get(resource, name);
    };
    await stage.apply('data', spec);
    expect(stage.condition('data')).toBe(
      'False ChapSecretForbidden: Secret shop/chap: Keelson may not read Secrets of this namespace; ' +
        'allow it: kubectl create rolebinding keelson-chap-reader --namespace shop --clusterrole ' +
        'keelson-chap-reader --serviceaccount keelson-system:keelson-orchestrator',
    );
    stage.client.get = get;
    stage.putSecret('chap', CHAP);
    await pass(31_000);
    expect(stage.condition('data')).toBe(IN_FORCE);
  });

  test('is read anew when the Volume is touched, or after five minutes, and not before', async () => {
    const reads = () => stage.client.reads.filter((read) => read.includes('shop/chap')).length;
    stage.putSecret('chap', CHAP);
    await stage.apply('data', spec);
    expect(reads()).toBe(1);
    stage.putSecret('chap', { ...CHAP, 'node.session.auth.password': 'another-one-of-twelve' });
    await pass(200_000);
    expect(reads()).toBe(1);
    await pass(101_000);
    expect(reads()).toBe(2);
    expect(record().chap?.users[0]?.secret).toBe('another-one-of-twelve');
    stage.putSecret('chap', CHAP);
    await stage.apply('data', spec, { touched: 'yes' });
    expect(reads()).toBe(3);
    expect(record().chap?.users[0]?.secret).toBe('twelve-or-more');
  });
});

describe('a damaged record', () => {
  test('is never given up, whoever leads, and the volume is back when the record is', async () => {
    await stage.apply('data', { replicas: 1 });
    const good = stage.volume('data')?.status?.record;
    const setRecord = (value: unknown) => {
      const object = stage.volume('data');
      if (object === undefined) throw new Error('it was applied');
      stage.kube.replace(VOLUMES, { ...object, status: { record: value } }, 'status');
    };
    setRecord({ membership: 'gone' });
    await pass(2_000);
    expect(stage.condition('data')).toMatch(
      /^False RecordDamaged: status.record of volume shop\/data cannot be read: .*; nothing of it is touched/,
    );
    expect(stage.volume('data')?.status).toMatchObject({ health: 'damaged' });
    expect(stage.eventsOf('data', /RecordDamaged/)).toHaveLength(1);
    await stage.follow();
    await stage.lead();
    expect(stage.condition('data')).toMatch(/^False RecordDamaged/);
    expect(stage.volume('data')?.status?.record).toEqual({ membership: 'gone' });
    expect(stage.eventsOf('data', /RecordDamaged/)).toHaveLength(1);
    stage.kube.remove(VOLUMES, { namespace: 'shop', name: 'data' });
    await pass(60_000);
    expect(stage.volume('data')?.metadata.finalizers).toEqual(['keelson.io/data']);
    expect(stage.platform.erased).toEqual([]);
    setRecord(good);
    await pass(2_000);
    expect(stage.eventsOf('data', /Deleted/)).toHaveLength(1);
    expect(stage.platform.erased).toEqual(['data']);
  });
});

describe('a Volume that somebody deletes', () => {
  const remove = () => stage.kube.remove(VOLUMES, { namespace: 'shop', name: 'data' });

  beforeEach(async () => {
    await stage.apply('data', {});
    await stage.serve('data');
  });

  test('goes with its data, and the last event says so', async () => {
    remove();
    await pass(2_000);
    expect(stage.volume('data')).toBeUndefined();
    expect(stage.platform.erased).toEqual(['data']);
    expect(stage.eventsOf('data', /Deleted/)).toEqual(['Normal Deleted x1: deleted']);
  });

  test('keeps its data while Keelson itself is removed: nobody said that it is to go', async () => {
    const deletionTimestamp = '2026-11-21T12:00:00Z';
    const finalizers = ['kubernetes'];
    stage.kube.put(NAMESPACES, {
      metadata: { name: 'keelson-system', deletionTimestamp, finalizers },
    });
    remove();
    await pass(60_000);
    expect(stage.platform.erased).toEqual([]);
    expect(record()).toMatchObject({ isDeleting: false });
  });

  test('waits while initiators are logged in, says so once, and goes when they are out', async () => {
    stage.sessions.set('data', 2);
    remove();
    await pass(60_000);
    expect(stage.condition('data', 'InUse')).toBe(
      'True InitiatorsLoggedIn: 2 initiator sessions are logged in; it is deleted when nobody uses it any ' +
        'more: end the pods that do, or give it up as it is: kubectl annotate volume data --namespace shop ' +
        'keelson.io/force-delete=true',
    );
    expect(stage.eventsOf('data', /InUse/)).toHaveLength(1);
    expect(stage.platform.erased).toEqual([]);
    stage.sessions.set('data', 0);
    await pass(31_000);
    expect(stage.volume('data')).toBeUndefined();
  });

  test('waits for a PersistentVolume that stands for it', async () => {
    const name = { namespace: 'shop', name: 'data' };
    const finalizers = ['keelson.io/data', 'keelson.io/persistent-volume'];
    stage.kube.patch(VOLUMES, name, { metadata: { finalizers } });
    remove();
    await pass(60_000);
    expect(stage.condition('data', 'InUse')).toMatch(
      /PersistentVolume data stands for it; .*claim/,
    );
    expect(stage.platform.erased).toEqual([]);
    stage.kube.patch(VOLUMES, name, { metadata: { finalizers: ['keelson.io/data'] } });
    await pass(31_000);
    expect(stage.volume('data')).toBeUndefined();
  });

  test('keeps its data when Keelson is removed, and all definitions with it', async () => {
    const system = { name: 'keelson-system' };
    stage.kube.put(NAMESPACES, { metadata: { ...system, finalizers: ['kubernetes'] } });
    stage.kube.remove(NAMESPACES, system);
    remove();
    await pass(60_000);
    expect(stage.platform.erased).toEqual([]);
    expect(record().isDeleting).toBe(false);
  });

  test('goes although nobody knows of initiators, when it is told to', async () => {
    stage.sessions.set('data', null);
    remove();
    await pass(10_000);
    expect(stage.condition('data', 'InUse')).toMatch(/controller does not say whether initiators/);
    const annotations = { 'keelson.io/force-delete': 'true' };
    const name = { namespace: 'shop', name: 'data' };
    stage.kube.patch(VOLUMES, name, { metadata: { annotations } });
    await pass(2_000);
    expect(stage.volume('data')).toBeUndefined();
  });
});
