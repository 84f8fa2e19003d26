import type { Pod } from '../../../../../orchestrator/kubernetes/objects.ts';
import { DEPLOYMENTS, PODS, SERVICES } from '../../../../../orchestrator/kubernetes/resources.ts';
import { KubernetesStage } from '../../support/kubernetes-stage.ts';

let stage: KubernetesStage;
let others: KubernetesStage[] = [];

afterEach(() => {
  for (const one of [stage, ...others]) one?.platform.kill();
  others = [];
});

function uidOf({ metadata }: Pod): string {
  return metadata.uid ?? '';
}

test('a volume comes up with a Deployment and an address for each process', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const { kube } = stage.cluster;
  expect(kube.list(DEPLOYMENTS).map(({ metadata }) => metadata.name)).toEqual([
    ...['v-demo-id1-r1', 'v-demo-id1-r2', 'v-demo-id1-controller'],
  ]);
  const [, , service] = kube.list(SERVICES);
  const { host } = stage.platform.addresses.portal({ id: 'id1', slot: 3 });
  expect(host).toBe(service?.spec?.clusterIP);
  expect(stage.kinds()).toEqual(['ready', 'ready', 'ready']);
});

test('a controller whose container ends comes back in its pod, and nothing is called for that', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const pod = stage.cluster.pod('controller');
  stage.answer = () => 'refused';
  stage.cluster.end(pod, 137);
  await stage.until(() => stage.exits().length === 1);
  expect(stage.exits()).toEqual(['default/demo controller: signal SIGKILL']);
  stage.cluster.restart(pod);
  expect(stage.stateOf(stage.controller)).toBe('starting');
  stage.answer = () => 'open';
  await stage.until(() => stage.stateOf(stage.controller) === 'ready');
  expect(stage.client.calls).toEqual([]);
  expect(stage.gone()).toEqual([]); // its successor in the pod needs nobody to tell it
});

test('an end that was not seen before the next container ran is told once', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.client.hold(true);
  stage.cluster.end(stage.cluster.pod('controller'), 1, 'no more room\n');
  stage.cluster.restart(stage.cluster.pod('controller'));
  stage.client.hold(false);
  await stage.until(() => stage.exits().length === 1);
  await stage.until(() => stage.stateOf(stage.controller) === 'ready');
  expect(stage.exits()).toEqual(['default/demo controller: code 1: no more room']);
});

test('a pod that kubelet waits with is replaced at once, and counts as gone when it is', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const pod = stage.cluster.pod('controller');
  stage.cluster.end(pod, 1);
  stage.cluster.backOff(pod);
  await stage.until(() => stage.exits().length > 0 && stage.gone().length > 0);
  await stage.until(() => stage.stateOf(stage.controller) === 'ready');
  expect(uidOf(stage.cluster.pod('controller'))).not.toBe(uidOf(pod));
  expect(stage.client.calls[0]).toBe(`remove pods keelson-system/${pod.metadata.name}`);
  expect(stage.exits()).toHaveLength(1);
  expect(stage.gone()).toEqual([uidOf(pod)]);
});

test('a pod that somebody deletes is told, its successor is followed', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const pod = stage.cluster.pod('controller');
  stage.cluster.kube.remove(PODS, pod.metadata);
  await stage.until(() => stage.stateOf(stage.controller) === 'ready' && stage.exits().length > 0);
  expect(stage.exits()).toEqual(['default/demo controller: its pod was deleted']);
  await stage.until(() => stage.gone().length > 0);
  expect(stage.gone()).toEqual([uidOf(pod)]);
});

test('a pod that its node has put out is removed, and counts as gone once', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const pod = stage.cluster.pod('controller');
  stage.cluster.evict(pod);
  await stage.until(() => stage.stateOf(stage.controller) === 'ready' && stage.exits().length > 0);
  await stage.until(() => stage.cluster.pods('controller').length === 1);
  expect(stage.exits()[0]).toContain('signal SIGKILL');
  expect(stage.gone()).toEqual([uidOf(pod)]);
});

test('a controller leaves a node that Kubernetes knows to be lost, and is not taken for gone', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const lost = stage.cluster.pod('controller');
  expect(lost.spec?.nodeName).toBe('node1');
  stage.cluster.silent.add('node1');
  stage.cluster.setReady('node1', 'Unknown');
  await stage.until(
    () => stage.stateOf(stage.controller) === 'ready' && stage.exits().length === 2,
  );
  expect(stage.exits()).toContainEqual(
    expect.stringMatching(
      /controller: node1 is down: Kubernetes has it as not ready: kubelet says/,
    ),
  );
  expect(stage.cluster.pod('controller').spec?.nodeName).toBe('node2');
  expect(stage.client.calls).toEqual([`remove pods keelson-system/${lost.metadata.name}`]);
  expect(stage.gone()).toEqual([]); // nobody has seen its end (I7)
  expect(stage.stateOf(stage.replica)).toBe('down');
});

test('a controller is led away from a node that is silent before Kubernetes knows', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const lost = stage.cluster.pod('controller');
  const doors = [...stage.cluster.pods('replica').slice(0, 1), lost].map(
    ({ status }) => status?.podIP,
  );
  stage.cluster.silent.add('node1');
  stage.answer = (host) => ([...doors, '192.0.2.1'].includes(host) ? 'silent' : 'open');
  const pass = setInterval(() => {
    stage.nowMs += 600;
  }, 20);
  await stage.until(
    () => stage.stateOf(stage.controller) === 'ready' && stage.exits().length === 2,
  );
  clearInterval(pass);
  expect(stage.exits()[0]).toMatch(/controller: node1 is down: it has not answered for \d+\.\d s/);
  expect(stage.cluster.pod('controller').spec?.nodeName).toBe('node2');
  expect(stage.client.calls.slice(0, 2)).toEqual([
    'replace deployments keelson-system/v-demo-id1-controller',
    `remove pods keelson-system/${lost.metadata.name}`,
  ]);
  expect(stage.gone()).toEqual([]);
});

test('a controller that was replaced is not to take its volume again, wherever it is started', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const lost = stage.cluster.pod('controller');
  const named = (pod: Pod) => `${uidOf(pod)}-0a1b2c3d`;
  expect(stage.platform.whyReplaced(named(lost))).toBeUndefined();
  stage.cluster.silent.add('node1');
  stage.cluster.setReady('node1', 'Unknown');
  await stage.until(
    () => stage.stateOf(stage.controller) === 'ready' && stage.exits().length === 2,
  );
  expect(stage.platform.whyReplaced(named(lost))).toBe(`its pod ${uidOf(lost)} was removed`);
  expect(stage.platform.whyReplaced(named(stage.cluster.pod('controller')))).toBeUndefined();
  // Of other platforms nothing is known here.
  expect(stage.platform.whyReplaced('6d1c0a2e-0000-4000-8000-0123456789ab')).toBeUndefined();
});

test('I9 a replica whose node is lost is neither moved nor removed, and is found when it is back', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const [pod] = stage.cluster.pods('replica');
  stage.cluster.silent.add('node1');
  stage.cluster.setReady('node1', 'Unknown');
  await stage.until(() => stage.stateOf(stage.replica) === 'down');
  stage.cluster.silent.delete('node1');
  stage.cluster.setReady('node1', 'True');
  await stage.until(() => stage.stateOf(stage.replica) === 'ready');
  expect(stage.cluster.pods('replica').map(uidOf)).toContain(uidOf(pod as Pod));
  expect(stage.client.calls.filter((call) => call.includes('-r1'))).toEqual([]);
  expect(stage.cluster.bound.filter((place) => place.startsWith('r')).sort()).toEqual([
    ...['r1@node1', 'r2@node2'],
  ]);
});

test('I9 a Deployment that would run a replica elsewhere is put right, and what runs there is not used', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.platform.kill();
  const text = JSON.stringify(stage.cluster.deployment('replica')).replaceAll('"node1"', '"node3"');
  stage.cluster.kube.put(DEPLOYMENTS, JSON.parse(text));
  const places = () => stage.cluster.pods('replica').map(({ spec }) => spec?.nodeName);
  await stage.until(() => places().includes('node3'));
  const next = await KubernetesStage.open(stage.cluster);
  others = [next];
  expect(next.stateOf(next.replica)).toBeUndefined();
  await next.up([next.replica]);
  expect(places().sort()).toEqual(['node1', 'node2']);
});

test('an orchestrator that starts takes over what runs, calls nothing and tells nothing', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.platform.kill();
  const next = await KubernetesStage.open(stage.cluster);
  others = [next];
  expect(next.processes.map((process) => next.stateOf(process))).toEqual([
    ...['ready', 'ready', 'ready'],
  ]);
  expect(next.changes).toEqual([]);
  expect(next.client.calls).toEqual([]);
});

test('a replica whose copy was removed while nobody looked is stopped', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.platform.kill();
  const { r2: removed, ...copies } = stage.record.membership.copies;
  expect(removed?.node).toBe('node2');
  const membership = { ...stage.record.membership, copies };
  const next = await KubernetesStage.open(stage.cluster, {
    record: { ...stage.record, membership },
  });
  others = [next];
  await next.until(() => next.exits().length === 1);
  expect(next.exits()).toEqual(['default/demo r2: stopped']);
  expect(stage.cluster.kube.list(DEPLOYMENTS)).toHaveLength(2);
  expect(stage.cluster.pods('replica')).toHaveLength(1);
});

test('what belongs to no volume that is known is left alone, and said', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.platform.kill();
  const other = { ...stage.record, spec: { ...stage.record.spec, id: 'id2' } };
  const next = await KubernetesStage.open(stage.cluster, { record: other });
  others = [next];
  expect(next.warnings).toHaveLength(3);
  expect(next.warnings[0]).toContain('v-demo-id1-r1');
  expect(stage.cluster.kube.list(PODS)).toHaveLength(3);
});

test('a process that is stopped leaves nothing that could start it again', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  await stage.platform.stop(stage.controller.key);
  expect(stage.cluster.pods('controller')).toEqual([]);
  expect(stage.cluster.deployment('controller')).toBeUndefined();
  expect(stage.exits()).toEqual(['default/demo controller: stopped']);
  expect(stage.changes.at(-1)).toMatchObject({ kind: 'exited', isStopped: true });
});

test('a replica on a node that is down is stopped without its node', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.restarts = false;
  stage.cluster.silent.add('node1');
  const stopped = stage.platform.stop(stage.replica.key);
  await stage.until(() => stage.client.calls.length > 0);
  expect(stage.cluster.pods('replica')).toHaveLength(2);
  stage.cluster.setReady('node1', 'Unknown');
  await stopped;
  expect(stage.cluster.pods('replica')).toHaveLength(1);
});

test('an erased volume leaves no object, and its directories are erased where they can be', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.restarts = false;
  for (const { key } of [...stage.processes].reverse()) await stage.platform.stop(key);
  stage.cluster.silent.add('node2');
  stage.cluster.setReady('node2', 'Unknown');
  const erased = stage.platform.erase(stage.record);
  await stage.until(() => stage.cluster.pods('job').length === 1);
  const [job] = stage.cluster.pods('job') as [Pod];
  expect(job.spec?.nodeName).toBe('node1');
  expect(JSON.stringify(job.spec)).toContain('"--copy","default.demo-id1"');
  stage.cluster.end(job, 0);
  expect(await erased).toEqual(['node2:/srv/keelson/default.demo-id1']);
  await stage.until(() => stage.cluster.pods('job').length === 0);
  const { kube } = stage.cluster;
  expect([...kube.list(DEPLOYMENTS), ...kube.list(SERVICES), ...kube.list(PODS)]).toEqual([]);
  expect(stage.platform.observe('default/demo')).toEqual([]);
});

test('what cannot be created ends the start in words; what passes by itself is tried again', async () => {
  stage = await KubernetesStage.open();
  stage.restarts = false;
  stage.client.plan = (call) => (call.startsWith('create deployments') ? 'after' : undefined);
  stage.platform.start(stage.replica);
  await stage.until(() => stage.client.calls.length === 2);
  stage.client.plan = () => undefined;
  await stage.until(() => stage.stateOf(stage.replica) === 'ready');
  expect(stage.exits()).toEqual([]);
  const [, service] = stage.cluster.kube.list(SERVICES);
  expect(service).toBeUndefined();
});

test('an object of our name that is somebody else’s is not touched', async () => {
  stage = await KubernetesStage.open();
  stage.restarts = false;
  const name = { namespace: 'keelson-system', name: 'v-demo-id1-r1' };
  stage.cluster.kube.create(SERVICES, { metadata: { ...name, labels: { mine: 'yes' } } });
  stage.platform.start(stage.replica);
  await stage.until(() => stage.exits().length === 1);
  expect(stage.exits()[0]).toContain('it is not ours: remove it or rename it');
  expect(stage.cluster.kube.get(SERVICES, name)?.metadata.labels).toEqual({ mine: 'yes' });
});

test('what holds a start up is said once, and who looks later finds it started', async () => {
  stage = await KubernetesStage.open();
  stage.cluster.silent.add('node1');
  stage.platform.start(stage.replica);
  await stage.until(() => stage.cluster.pods('replica').some(({ spec }) => spec?.nodeName));
  const pod = stage.cluster.pod('replica');
  for (const attempt of [1, 2]) {
    stage.cluster.hold(pod, 'ErrImageNeverPull', `not there, ${'seen'.repeat(attempt - 1)}`);
  }
  stage.cluster.hold(pod, 'ErrImageNeverPull', 'not there');
  await stage.until(() => stage.heldUp().length > 0);
  expect(stage.heldUp()[0]).toContain('ErrImageNeverPull: not there');
  expect(stage.exits()).toEqual([]);
});

test('a pod that does not begin is told of, and its node’s disk is looked at', async () => {
  stage = await KubernetesStage.open();
  stage.cluster.silent.add('node1');
  stage.platform.start(stage.replica);
  await stage.until(() => stage.cluster.pods('replica').some(({ spec }) => spec?.nodeName));
  stage.nowMs += 31_000;
  const pod = stage.cluster.pod('replica');
  stage.cluster.hold(pod, 'ContainerCreating', 'no reason');
  await stage.until(() => stage.heldUp().length > 0);
  expect(stage.heldUp()).toEqual([
    'its pod has not begun for 30 s; is /srv/keelson there on node1?; ' +
      `see kubectl -n keelson-system describe pod ${pod.metadata.name}`,
  ]);
  await stage.until(() => stage.cluster.pods('job').length === 1);
  expect(stage.exits()).toEqual([]);
});

test('a replica that finds another disk takes its node out until a job finds the right one', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.cluster.end(stage.cluster.pods('replica')[0] as Pod, 3, '/node is missing');
  const down = () => stage.platform.observeNodes().find(({ name }) => name === 'node1')?.down;
  await stage.until(() => down() !== undefined);
  expect(stage.exits()).toEqual(['default/demo r1: code 3: /node is missing']);
  await stage.until(() => stage.cluster.pods('job').length === 1);
  const job = stage.cluster.pods('job')[0] as Pod;
  expect(JSON.stringify(job.spec)).toContain('"check-node"');
  stage.cluster.end(job, 0);
  await stage.until(() => down() === undefined);
});

test('a pod that does not begin again is told of as well: its node came back without its disk', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  const pod = stage.cluster.pods('replica')[0] as Pod;
  stage.answer = () => 'silent';
  stage.cluster.end(pod, 255);
  await stage.until(() => stage.exits().length === 1);
  stage.nowMs += 31_000;
  stage.cluster.hold(pod, 'ContainerCreating', 'no reason');
  await stage.until(() => stage.heldUp().length > 0);
  expect(stage.heldUp()[0]).toContain('is /srv/keelson there on node1?');
});

test('a deletion that does not find the disk of a node leaves behind what is there, and says so', async () => {
  stage = await KubernetesStage.open();
  await stage.up();
  stage.restarts = false;
  for (const { key } of [...stage.processes].reverse()) await stage.platform.stop(key);
  const erased = stage.platform.erase(stage.record);
  await stage.until(() => stage.cluster.pods('job').length === 2);
  for (const job of stage.cluster.pods('job')) {
    if (job.spec?.nodeName === 'node1') stage.cluster.end(job, 3, '/node is missing');
    else stage.cluster.end(job, 0);
  }
  await expect(erased).rejects.toThrow('erase /srv/keelson/default.demo-id1 on node1: ');
  // As the reconciler does with what failed.
  const again = stage.platform.erase(stage.record);
  const isErasing = ({ spec }: Pod) => JSON.stringify(spec).includes('"erase-copy"');
  await stage.until(() => stage.cluster.pods('job').some(isErasing));
  for (const job of stage.cluster.pods('job').filter(isErasing)) stage.cluster.end(job, 0);
  expect(await again).toEqual(['node1:/srv/keelson/default.demo-id1']);
});

test('a new node gets its directory before anything is started there', async () => {
  stage = await KubernetesStage.open(undefined, { isUnprepared: true });
  expect(stage.platform.observeNodes()[0]?.down?.reason).toBe('its directory is not made yet');
  await stage.until(() => stage.cluster.pods('job').length === 3);
  for (const job of stage.cluster.pods('job')) stage.cluster.end(job, 0);
  await stage.until(() => stage.prepared.length === 3);
  await stage.until(() => stage.platform.observeNodes().every(({ down }) => down === undefined));
});
