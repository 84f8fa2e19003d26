import { processesOf } from '../../../../../orchestrator/plan/processes.ts';
import { LostInstances } from '../../../../../orchestrator/platforms/docker/lost-instances.ts';
import { Runs } from '../../../../../orchestrator/platforms/docker/runs.ts';
import { makeRecord } from '../../support/records.ts';

const HERE = new Set(['node1']);
const [, controller] = processesOf(makeRecord({ copyCount: 1 }));

let gone: string[];
let lost: LostInstances;

beforeEach(() => {
  gone = [];
  lost = new LostInstances((_, instanceId) => gone.push(instanceId));
  if (controller === undefined) throw new Error('expected a controller');
  const run = new Runs().begin(controller, 'starting');
  Object.assign(run, { containerId: 'c1', instanceId: 'i1', node: 'node1' });
  lost.add(run);
  expect(run.instanceId).toBeUndefined();
});

test('I7 a lost controller is gone when its container ends, once', () => {
  lost.onEnd('c2');
  expect(gone).toEqual([]);
  lost.onEnd('c1');
  lost.onEnd('c1');
  expect(gone).toEqual(['i1']);
});

test.each([
  ['running', true, []],
  ['paused', true, []],
  ['created', false, []],
  ['exited', false, ['i1']],
] as const)(
  'I7 a list in which its container is %s tells whether it is gone',
  (state, isLive, says) => {
    lost.onList(new Set(['node2']), []);
    lost.onList(HERE, [{ id: 'c1', state, isLive }]);
    expect(gone).toEqual(says);
  },
);

test('I7 a lost controller whose container is not there any more is gone', () => {
  lost.onList(HERE, []);
  expect(gone).toEqual(['i1']);
});
