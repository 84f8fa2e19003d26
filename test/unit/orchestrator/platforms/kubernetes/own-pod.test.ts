import { PODS, SERVICES } from '../../../../../orchestrator/kubernetes/resources.ts';
import { labelLeader } from '../../../../../orchestrator/platforms/kubernetes/leader-label.ts';
import {
  findImages,
  findRegistryUrl,
} from '../../../../../orchestrator/platforms/kubernetes/own-pod.ts';
import { FakeKube } from '../../support/fake-kube.ts';

const SYSTEM = 'keelson-system';
const OPTIONS = {
  ...{ namespace: SYSTEM, podName: 'keelson-1', nodeSelector: undefined, dataRoot: '/d' },
  ...{ provisionerName: 'keelson.io', imagePrefix: undefined, imageTag: undefined },
};

let kube: FakeKube;
beforeEach(() => {
  kube = new FakeKube();
});

function putPod(name: string, image: string, labels: Record<string, string> = {}): void {
  const spec = { containers: [{ name: 'orchestrator', image }] };
  kube.put(PODS, { metadata: { namespace: SYSTEM, name, labels }, spec });
}

test.each([
  ['keelson/orchestrator:0.1.0', 'keelson/replica:0.1.0'],
  ['registry.example:5000/storage/orchestrator:v2', 'registry.example:5000/storage/replica:v2'],
])('controllers and replicas have the images beside %s', async (image, replica) => {
  putPod('keelson-1', image);
  expect(await findImages(kube.client(), OPTIONS)).toEqual({
    controller: replica.replace('replica', 'controller'),
    replica,
  });
});

test('what was said about images comes first', async () => {
  putPod('keelson-1', 'keelson/orchestrator:1');
  const prefixed = { ...OPTIONS, imagePrefix: 'mine/' };
  expect((await findImages(kube.client(), prefixed)).replica).toBe('mine/replica:1');
  const whole = { ...prefixed, imageTag: '7', podName: 'none' };
  expect((await findImages(kube.client(), whole)).controller).toBe('mine/controller:7');
});

test.each(['mirror/keelson:1', 'keelson/orchestrator@sha256:abc', 'keelson/orchestrator'])(
  'an own image that says nothing about the others is refused: %s',
  async (image) => {
    putPod('keelson-1', image);
    await expect(findImages(kube.client(), OPTIONS)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/expected …orchestrator:TAG, found .*--image-tag/),
    });
  },
);

test.each([
  ['198.18.240.7', 'http://198.18.240.7:5705'],
  ['fd00::7', 'http://[fd00::7]:5705'],
])('the registry is found at the address of its Service: %s', async (clusterIP, url) => {
  const metadata = { namespace: SYSTEM, name: 'keelson-registry' };
  kube.put(SERVICES, { metadata, spec: { clusterIP } });
  expect(await findRegistryUrl(kube.client(), SYSTEM)).toBe(url);
});

test('without a Service of the registry, nobody could find it, which is said', async () => {
  await expect(findRegistryUrl(kube.client(), SYSTEM)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringMatching(/Service keelson-system\/keelson-registry: .*found none/),
  });
});

test('the label of the leader is on one pod, whoever had it before', async () => {
  const leads = { 'keelson.io/leader': 'true' };
  putPod('keelson-1', 'a');
  putPod('keelson-2', 'a', { ...leads, app: 'x' });
  await labelLeader(kube.client(), OPTIONS);
  const labelsOf = (name: string) => kube.get(PODS, { namespace: SYSTEM, name })?.metadata.labels;
  expect([labelsOf('keelson-1'), labelsOf('keelson-2')]).toEqual([leads, { app: 'x' }]);
});
