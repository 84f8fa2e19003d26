import { processesOf } from '../../../../../orchestrator/plan/processes.ts';
import { ServiceAddresses } from '../../../../../orchestrator/platforms/kubernetes/service-addresses.ts';
import { serviceOf } from '../../../../../orchestrator/platforms/kubernetes/workloads.ts';
import { makeRecord } from '../../support/records.ts';

const CONTEXT = {
  ...{
    namespace: 'sys',
    installationId: 'i',
    dataRoot: '/d',
    registryUrl: 'http://192.0.2.1:5705',
  },
  images: { controller: 'c:1', replica: 'r:1' },
};
const VOLUME = { id: 'id1', slot: 0 };
const COPY = { replicaId: 'r1', node: 'n1' };
const [r1, , controller] = processesOf(makeRecord({ copyCount: 2 }));

function withIP(process: typeof r1, clusterIP: string) {
  const service = serviceOf(CONTEXT, process!);
  return { ...service, spec: { ...service.spec, clusterIP } };
}

test('a process is reached at the address of its Service', () => {
  const addresses = new ServiceAddresses('sys');
  addresses.note(withIP(controller, '192.0.2.7'));
  addresses.note(withIP(r1, '192.0.2.8'));
  expect(addresses.portal(VOLUME)).toEqual({ host: '192.0.2.7', port: 3260 });
  expect(addresses.controllerAdmin(VOLUME)).toEqual({ host: '192.0.2.7', port: 3261 });
  expect(addresses.replica(VOLUME, COPY)).toEqual({ host: '192.0.2.8', port: 5703 });
});

test('a copy whose Service is not there yet is reached by its name', () => {
  const addresses = new ServiceAddresses('sys');
  addresses.note(withIP(controller, '192.0.2.7'));
  expect(addresses.replica(VOLUME, COPY).host).toBe('v-demo-id1-r1.sys.svc');
  addresses.note(withIP(r1, 'None'));
  expect(addresses.replica(VOLUME, COPY).host).toBe('v-demo-id1-r1.sys.svc');
});

test('a volume of which nothing is known is nowhere, nor is one that was deleted', () => {
  const addresses = new ServiceAddresses('sys');
  expect(addresses.portal(VOLUME).host).toBe('unknown.invalid');
  addresses.note(withIP(controller, '192.0.2.7'));
  addresses.noteGone(withIP(controller, '192.0.2.7'));
  expect(addresses.portal(VOLUME).host).toBe('unknown.invalid');
  expect(addresses.replica({ id: 'id2', slot: 0 }, COPY).host).toBe('unknown.invalid');
});
