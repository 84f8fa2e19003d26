import { processesOf } from '../../../../../orchestrator/plan/processes.ts';
import {
  controllerName,
  jobLabels,
  jobName,
  processLabels,
  processName,
  processSelector,
  readOwner,
  replicaName,
  volumeLabels,
  volumeObjectName,
} from '../../../../../orchestrator/platforms/kubernetes/names.ts';
import { makeRecord } from '../../support/records.ts';

const ID = '3f2a9c1e-5b7d-4e8f-9a0b-1c2d3e4f5a6b';
const HOST_NAME = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

function volume(name: string) {
  return { namespace: 'team-a', name, id: ID };
}

test('the objects of a volume are called by its name and the beginning of its id', () => {
  expect(volumeObjectName(volume('db'))).toBe('v-db-3f2a9c1e');
  expect(controllerName(volume('db'))).toBe('v-db-3f2a9c1e-controller');
  expect(replicaName(volume('db'), 'r12')).toBe('v-db-3f2a9c1e-r12');
});

test('every name is a host name, however long the volume’s is', () => {
  for (const name of ['a', 'a'.repeat(63), `${'a'.repeat(29)}-b`, `${'a'.repeat(28)}--b`, '0-1']) {
    const names = [controllerName(volume(name)), replicaName(volume(name), 'r4294967295')];
    for (const one of names) expect(one).toMatch(HOST_NAME);
    expect(names[0]).not.toContain('--');
  }
});

test('the labels of a process lead back to it, whole id included', () => {
  const processes = processesOf(makeRecord({ copyCount: 2 }));
  for (const process of processes) {
    expect(readOwner(processLabels(process))).toEqual({
      ...{ volumeId: 'id1', key: process.key, role: process.role },
    });
  }
  const names = new Set(processes.map(processName));
  expect(names.size).toBe(3);
});

test('pods are selected by what never changes, and by no other process', () => {
  const [r1, r2, controller] = processesOf(makeRecord({ copyCount: 2 }));
  const selects = (a: typeof r1, b: typeof r1) =>
    Object.entries(processSelector(a!)).every(([label, value]) => {
      return processLabels(b!)[label] === value;
    });
  expect(selects(r1, r1)).toBe(true);
  expect([selects(r1, r2), selects(r1, controller), selects(controller, r1)]).toEqual([
    ...[false, false, false],
  ]);
});

test.each([
  ['a Secret', volumeLabels(volume('db'))],
  ['a job', jobLabels('n1')],
  ['somebody else', { 'keelson.io/volume-id': ID, 'keelson.io/role': 'controller' }],
  ['nothing', undefined],
])('what belongs to no process is told from what does: %s', (_, labels) => {
  expect(readOwner(labels)).toBeUndefined();
});

test('a node of any name can be in a label and in the name of a job', () => {
  const node = `${'very-long-name.'.repeat(16)}example`;
  const [label] = Object.values(jobLabels(node)).slice(-1);
  expect(label).toMatch(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
  expect(jobName('check', node, '0a1b2c3d')).toMatch(/^job-check-[a-z0-9.-]*[a-z0-9]-0a1b2c3d$/);
  expect(jobName('check', node, '0a1b2c3d').length).toBeLessThan(253);
});
