import type { V1Deployment, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import {
  type ControllerProcess,
  processesOf,
  type ReplicaProcess,
} from '../../../../../orchestrator/plan/processes.ts';
import {
  jobPod,
  type NodeJob,
  readJobEnd,
} from '../../../../../orchestrator/platforms/kubernetes/jobs.ts';
import {
  avoidedBy,
  controllerDeployment,
  pinnedNodeOf,
  recipeOf,
  replicaDeployment,
  serviceOf,
  wishedAddress,
} from '../../../../../orchestrator/platforms/kubernetes/workloads.ts';
import { makeRecord } from '../../support/records.ts';

const CONTEXT = {
  ...{ namespace: 'sys', installationId: 'inst', dataRoot: '/srv/keelson' },
  registryUrl: 'http://192.0.2.1:5705',
  images: { controller: 'keelson/controller:1', replica: 'keelson/replica:1' },
};
const PLACE = { clusterIP: '192.0.2.7', avoids: [] };
const record = makeRecord({ copyCount: 2 });
const [r1, r2, controller] = processesOf(record) as [
  ReplicaProcess,
  ReplicaProcess,
  ControllerProcess,
];
const JOBS: NodeJob[] = [
  { kind: 'prepare', node: 'node1' },
  { kind: 'check', node: 'node1' },
  { kind: 'erase', node: 'node1', volume: record.spec },
];
const deployments = [
  replicaDeployment(CONTEXT, r1),
  controllerDeployment(CONTEXT, controller, PLACE),
] as unknown as [V1Deployment, V1Deployment];
const jobs = JOBS.map((job) => jobPod(CONTEXT, job, '0a1b2c3d') as unknown as V1Pod);

function podOf(deployment: unknown): V1PodSpec {
  const { spec } = (deployment as V1Deployment).spec?.template ?? {};
  if (spec === undefined) throw new Error('expected a pod');
  return spec;
}

const pods = [...deployments.map(podOf), ...jobs.map(({ spec }) => spec as V1PodSpec)];

test('no pod has a privilege that it does not need', () => {
  const roots = pods.filter((pod) => pod.containers[0]?.securityContext?.runAsUser === 0);
  expect(roots).toEqual([jobs[0]?.spec]); // it gives a new node's directory to the others
  for (const pod of pods) {
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.securityContext?.seccompProfile).toEqual({ type: 'RuntimeDefault' });
    expect([pod.hostNetwork, pod.hostPID, pod.hostIPC]).toEqual([undefined, undefined, undefined]);
    const [container, second] = pod.containers;
    expect(second).toBeUndefined();
    expect(container?.securityContext).toMatchObject({
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      capabilities: { drop: ['ALL'] },
    });
    expect(container?.resources?.requests).toBeDefined();
    if (roots.includes(pod)) continue;
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532 });
    expect(container?.securityContext?.capabilities?.add).toBeUndefined();
  }
  expect(roots[0]?.containers[0]?.securityContext?.capabilities?.add).toEqual([
    ...['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
  ]);
});

test('the secret comes from the Secret of the volume, and is nowhere else', () => {
  for (const pod of pods) expect(JSON.stringify(pod)).not.toContain(record.secret);
  for (const deployment of deployments) {
    expect(podOf(deployment).containers[0]?.env).toContainEqual({
      name: 'KEELSON_VOLUME_SECRET',
      valueFrom: { secretKeyRef: { name: 'v-demo-id1', key: 'secret' } },
    });
  }
});

test('I9 a replica runs on the node of its copy, whatever is the matter there, and nowhere else', () => {
  for (const process of [r1, r2]) {
    const deployment = replicaDeployment(CONTEXT, process);
    expect(pinnedNodeOf(deployment)).toBe(process.node);
    const { tolerations, volumes, nodeName } = podOf(deployment);
    expect(tolerations).toEqual([{ operator: 'Exists' }]);
    expect(nodeName).toBeUndefined();
    // A missing directory is a missing disk: it must not be made.
    expect(volumes).toContainEqual({
      name: 'node',
      hostPath: { path: '/srv/keelson', type: 'Directory' },
    });
  }
});

test('I9 a Deployment that leaves a choice of nodes is told from one that does not', () => {
  const text = JSON.stringify(replicaDeployment(CONTEXT, r1));
  const changed = (from: string, to: string) => pinnedNodeOf(JSON.parse(text.replace(from, to)));
  expect(changed('x', 'x')).toBe('node1');
  expect(changed('"values":["node1"]', '"values":["node1","node2"]')).toBeUndefined();
  expect(changed('"operator":"In"', '"operator":"NotIn"')).toBeUndefined();
  expect(changed('"nodeSelectorTerms":[{', '"nodeSelectorTerms":[{},{')).toBeUndefined();
  expect(pinnedNodeOf({ metadata: { name: 'd' } })).toBeUndefined();
});

test('a replica is told where its copy is and whose it is', () => {
  const args = podOf(deployments[0]).containers[0]?.args?.join(' ');
  expect(args).toBe(
    '--volume default/demo --listen 0.0.0.0 --volume-id id1 --replica-id r1 ' +
      '--data-dir /node/default.demo-id1 --size 1048576 --node node1 --installation inst',
  );
});

test('a controller tells its Service as its portal, and names itself after its pod', () => {
  const [container] = podOf(deployments[1]).containers;
  expect(container?.args?.join(' ')).toBe(
    '--volume default/demo --listen 0.0.0.0 --portal 192.0.2.7:3260 ' +
      '--registry http://192.0.2.1:5705 --instance-prefix $(POD_UID)',
  );
  expect(container?.env?.[0]?.valueFrom?.fieldRef?.fieldPath).toBe('metadata.uid');
  const six = controllerDeployment(CONTEXT, controller, { ...PLACE, clusterIP: '2001:db8::7' });
  expect(podOf(six).containers[0]?.args?.join(' ')).toContain(
    '--listen :: --portal [2001:db8::7]:3260',
  );
});

test('a controller prefers the nodes of its copies in their order, and avoids those that are down', () => {
  const away = controllerDeployment(CONTEXT, controller, { ...PLACE, avoids: ['node1', 'n9'] });
  const { nodeAffinity } = podOf(away).affinity ?? {};
  const preferred = nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  expect(preferred.map(({ weight, preference }) => [weight, preference.matchFields])).toEqual([
    [100, [{ key: 'metadata.name', operator: 'In', values: ['node2'] }]],
  ]);
  // Kubernetes takes one name per requirement here.
  expect(
    nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]?.matchFields,
  ).toEqual([
    { key: 'metadata.name', operator: 'NotIn', values: ['n9'] },
    { key: 'metadata.name', operator: 'NotIn', values: ['node1'] },
  ]);
  expect(avoidedBy(away)).toEqual(['n9', 'node1']);
  expect(avoidedBy(controllerDeployment(CONTEXT, controller, PLACE))).toEqual([]);
});

test('a controller leaves a lost node at once, and is never killed by a probe', () => {
  const { tolerations, containers } = podOf(deployments[1]);
  expect(tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds])).toEqual([
    ['node.kubernetes.io/not-ready', 0],
    ['node.kubernetes.io/unreachable', 0],
  ]);
  expect(containers[0]?.livenessProbe).toBeUndefined();
});

test('what somebody wrote into an annotation is not believed', () => {
  const text = JSON.stringify(controllerDeployment(CONTEXT, controller, PLACE));
  const read = (value: string) => {
    const deployment = JSON.parse(text);
    deployment.spec.template.metadata.annotations['keelson.io/avoids'] = value;
    return avoidedBy(deployment);
  };
  expect(read('no JSON')).toEqual([]);
  expect(read('{"a":1}')).toEqual([]);
  expect(read('["n1",2]')).toEqual(['n1']);
});

test('a recipe is about everything but the place', () => {
  const made = controllerDeployment(CONTEXT, controller, PLACE);
  const elsewhere = controllerDeployment(CONTEXT, controller, { ...PLACE, avoids: ['node1'] });
  const images = { ...CONTEXT.images, controller: 'keelson/controller:2' };
  const newer = controllerDeployment({ ...CONTEXT, images }, controller, PLACE);
  expect(recipeOf(made)).toBe(recipeOf(elsewhere));
  expect(recipeOf(made)).not.toBe(recipeOf(newer));
});

test('the address of a process leads to its pods, also to one that has just begun', () => {
  expect(serviceOf(CONTEXT, controller)).toMatchObject({
    metadata: { name: 'v-demo-id1-controller' },
    spec: {
      ...{ type: 'ClusterIP', publishNotReadyAddresses: true },
      selector: {
        ...{ 'keelson.io/volume-id': 'id1', 'keelson.io/role': 'controller' },
        'keelson.io/serves': 'true',
      },
      ports: [{ port: 3260 }, { port: 3261 }],
    },
  });
});

test('a controller asks for the address that it had, as PersistentVolumes name it', () => {
  const at = (lastPortal: string | null) => wishedAddress({ ...controller, lastPortal });
  expect(at('192.0.2.7:3260')).toBe('192.0.2.7');
  expect(at('[2001:db8::7]:3260')).toBe('2001:db8::7');
  expect(at(null)).toBeUndefined();
  expect(at('v-demo.sys.svc:3260')).toBeUndefined();
  expect(wishedAddress(r1)).toBeUndefined();
  expect(serviceOf(CONTEXT, controller, '192.0.2.7').spec?.clusterIP).toBe('192.0.2.7');
  expect(serviceOf(CONTEXT, controller).spec).not.toHaveProperty('clusterIP');
});

test('jobs are done where they are to be, with the directory that is to be there', () => {
  expect(jobs.map(({ spec }) => spec?.containers[0]?.args?.join(' '))).toEqual([
    'prepare-node --directory /node --node node1 --installation inst --owner 65532',
    'check-node --directory /node --node node1 --installation inst',
    'erase-copy --directory /node --node node1 --installation inst --copy default.demo-id1',
  ]);
  for (const { spec } of jobs) {
    expect(spec).toMatchObject({ nodeName: 'node1', restartPolicy: 'Never' });
  }
  expect(jobs.map(({ spec }) => spec?.volumes?.[0]?.hostPath?.type)).toEqual([
    ...['DirectoryOrCreate', 'Directory', 'Directory'],
  ]);
});

test('how a job ended is read from its pod', () => {
  const [pod] = jobs as unknown as [Parameters<typeof readJobEnd>[0]];
  expect(readJobEnd(pod)).toBeUndefined();
  const terminated = { exitCode: 3, message: 'another disk is there\n' };
  const container = { name: 'job', ready: false, restartCount: 0, state: { terminated } };
  const ended = { ...pod, status: { phase: 'Failed' as const, containerStatuses: [container] } };
  expect(readJobEnd(ended)).toEqual({ exitCode: 3, sentence: 'another disk is there' });
  const evicted = { ...pod, status: { phase: 'Failed' as const, reason: 'Evicted' } };
  expect(readJobEnd(evicted)).toEqual({ exitCode: 1, sentence: 'Evicted' });
});
