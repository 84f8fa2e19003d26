import { NODES, RULES } from '../../../../../orchestrator/kubernetes/resources.ts';
import { decodeRule } from '../../../../../orchestrator/model/rule.ts';
import type { FakeKube } from '../../support/fake-kube.ts';
import {
  type KubePod,
  makeCluster,
  NONE,
  openPod,
  request,
  settle,
} from '../../support/kube-installation.ts';

const A = 'default/a';
const NAME = { namespace: 'default', name: 'a' };

let kube: FakeKube;
let pod: KubePod;

beforeEach(async () => {
  kube = makeCluster();
  pod = await openPod(kube);
});

describe('rules', () => {
  const labels = { 'keelson.io/replicas': '1' };
  const rule = decodeRule({ name: 'one', selector: '', action: 'add', labels });

  test('are objects, whoever made them; volumes follow when they are asked to', async () => {
    await pod.registry.create(request('a'), NONE);
    await kube.client().create(RULES, {
      metadata: { ...NAME, name: 'one', labels: { team: 'x' } },
      spec: { labels, selector: 'env!=dev' },
    });
    await settle();
    expect(pod.registry.rules).toMatchObject([{ name: 'one', labels, weight: 0 }]);
    expect(pod.registry.require(A).spec.replicas).toBe(0);
    const changes = await pod.registry.followRules();
    expect(changes.map(({ after }) => after.spec.replicas)).toEqual([1]);
    expect(await pod.registry.followRules()).toEqual([]);
    await pod.registry.setRule(
      decodeRule({ ...rule, selector: '', labels: { 'keelson.io/replicas': '2' } }),
    );
    expect(kube.get(RULES, { ...NAME, name: 'one' })).toMatchObject({
      metadata: { labels: { team: 'x' } },
      spec: { action: 'add', labels: { 'keelson.io/replicas': '2' } },
    });
    // An empty text is none to some API servers.
    expect(kube.get(RULES, { ...NAME, name: 'one' })?.spec).not.toHaveProperty('selector');
    expect(pod.registry.require(A).spec.replicas).toBe(2);
  });

  test('that cannot be read count for nothing, and can be put right through the API', async () => {
    await kube
      .client()
      .create(RULES, { metadata: { ...NAME, name: 'one' }, spec: { labels: { env: 'x' } } });
    await settle();
    expect(pod.registry.rules).toEqual([]);
    await pod.registry.setRule(rule);
    expect(pod.registry.rules).toMatchObject([{ name: 'one', labels }]);
    await pod.registry.removeRule('default/one');
    expect(kube.list(RULES)).toEqual([]);
  });

  test('of two orchestrators are stored one after the other', async () => {
    const other = await openPod(kube);
    other.client.hold(true);
    await pod.registry.setRule(rule);
    await other.registry.setRule(decodeRule({ ...rule, selector: 'env==prod' }));
    expect(kube.list(RULES)).toMatchObject([{ spec: { selector: 'env==prod' } }]);
    expect(other.registry.rules).toHaveLength(1);
  });
});

describe('nodes', () => {
  const nodes = () =>
    Object.fromEntries(pod.registry.nodes.map((node) => [node.name, node.isCordoned]));

  test('are those of the cluster, in the order of their names, until a copy holds one', async () => {
    await pod.registry.create(request('a', { preferredNode: 'n2' }), NONE);
    kube.put(NODES, { metadata: { name: 'n0' } });
    await kube.client().remove(NODES, { name: 'n1' });
    await kube.client().remove(NODES, { name: 'n2' });
    await settle();
    expect(nodes()).toEqual({ n0: false, n2: true, n3: false });
    expect(pod.registry.nodes.map(({ number }) => number)).toEqual([1, 2, 3]);
    await pod.registry.remove(A);
    expect(nodes()).toEqual({ n0: false, n3: false });
  });

  test('take no copies that are cordoned in Kubernetes, which alone can undo that', async () => {
    await kube.client().patch(NODES, { name: 'n1' }, { spec: { unschedulable: true } });
    await settle();
    expect(nodes()).toEqual({ n1: true, n2: false, n3: false });
    await pod.registry.changeNode('n1', { isPrepared: true });
    await expect(pod.registry.useNode('n1', { isCordoned: false }, NONE)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'uncordon node n1: it is cordoned in Kubernetes; run kubectl uncordon n1',
    });
    await kube.client().patch(NODES, { name: 'n1' }, { spec: { unschedulable: null } });
    await settle();
    expect(pod.registry.nodes[0]).toMatchObject({ isCordoned: false, isPrepared: true });
  });

  test('that are there cannot be removed; those that are gone can', async () => {
    await expect(pod.registry.removeNode('n1', { isForced: true })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('kubectl delete node n1'),
    });
    await pod.registry.create(request('a', { preferredNode: 'n1' }), NONE);
    await pod.registry.changeCopies(A, 1, [{ kind: 'add-copy', node: 'n2' }]);
    await kube.client().remove(NODES, { name: 'n2' });
    await settle();
    await pod.registry.removeNode('n2', { isForced: true });
    expect(nodes()).toEqual({ n1: false, n3: false });
  });

  test.each([
    [undefined, ['n1', 'n2', 'n3', 'n5']],
    [{ storage: 'yes' }, ['n4']],
  ])('of the selector %j take copies', async (selector, names) => {
    const taint = (key: string) => ({ taints: [{ key, effect: 'NoSchedule' }] });
    kube.put(NODES, {
      metadata: { name: 'n4', labels: { storage: 'yes' } },
      spec: taint('node-role.kubernetes.io/master'),
    });
    kube.put(NODES, { metadata: { name: 'n5' }, spec: taint('node.kubernetes.io/not-ready') });
    const { registry } = await openPod(kube, selector);
    expect(registry.nodes.map(({ name }) => name)).toEqual(names);
  });

  test('of two orchestrators are cordoned one after the other', async () => {
    const other = await openPod(kube);
    other.client.hold(true);
    await pod.registry.useNode('n1', { isCordoned: true }, NONE);
    await other.registry.useNode('n2', { isDraining: true }, NONE);
    await settle();
    expect(nodes()).toEqual({ n1: true, n2: true, n3: false });
  });
});
