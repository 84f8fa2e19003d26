import { LABELS } from '../../../../../orchestrator/platforms/docker/container-labels.ts';
import {
  type Listed,
  takeInventory,
} from '../../../../../orchestrator/platforms/docker/inventory.ts';

const CONTROLLER = 'default/a controller';

function listed(
  id: string,
  change: Partial<Listed> & { role?: string; key?: string } = {},
): Listed {
  const { role = 'controller', key = CONTROLLER, ...rest } = change;
  const labels = { [LABELS.role]: role, [LABELS.key]: key, [LABELS.node]: 'n1' };
  return { id, labels, state: 'running', isLive: true, createdAtSeconds: 1, ...rest };
}

const down = (state: string) => ({ state, isLive: false });
const replica = { role: 'replica', key: 'default/a r1' };

function summary(containers: readonly Listed[], isWanted = () => true) {
  const { live, spares, idle, ended, holders, orphans } = takeInventory(containers, isWanted);
  const ids = (found: readonly { id: string }[]) => found.map(({ id }) => id);
  return {
    ...{ live: ids(live), spares: ids(spares), idle: ids(idle), ended: ids(ended) },
    ...{ holders: ids(holders), orphans },
  };
}

const NOTHING = { live: [], spares: [], idle: [], ended: [], holders: [], orphans: [] };

test.each<[string, Listed[], Partial<ReturnType<typeof summary>>]>([
  ['a controller that runs', [listed('x')], { live: ['x'] }],
  ['one that is paused', [listed('x', { state: 'paused' })], { live: ['x'] }],
  ['one made ahead of time', [listed('x', down('created'))], { spares: ['x'] }],
  ['one that has ended', [listed('x', down('exited'))], { ended: ['x'] }],
  [
    'one of each',
    [listed('a', down('exited')), listed('b'), listed('c', down('created'))],
    { live: ['b'], spares: ['c'], ended: ['a'] },
  ],
  ['a replica that runs', [listed('x', replica)], { live: ['x'] }],
  ['a replica that has ended', [listed('x', { ...replica, ...down('exited') })], { idle: ['x'] }],
  ['one never started', [listed('x', { ...replica, ...down('created') })], { idle: ['x'] }],
  [
    'a controller and what holds its address',
    [listed('a'), listed('b', { role: 'holder' })],
    { live: ['a'], holders: ['b'] },
  ],
  ['a job', [listed('x', { role: 'job' })], { orphans: ['x'] }],
])('what is there, is sorted: %s', (_, containers, expected) => {
  expect(summary(containers)).toEqual({ ...NOTHING, ...expected });
});

test('of two that run, or wait, or have ended, the newest stays', () => {
  const newer = { createdAtSeconds: 2 };
  expect(summary([listed('a'), listed('b', newer)])).toMatchObject({
    ...{ live: ['b'], orphans: ['a'] },
  });
  const spares = [listed('a', { ...down('created'), ...newer }), listed('b', down('created'))];
  expect(summary(spares)).toMatchObject({ spares: ['a'], orphans: ['b'] });
  const ended = [listed('a', down('exited')), listed('b', { ...down('exited'), ...newer })];
  expect(summary(ended)).toMatchObject({ ended: ['b'], orphans: ['a'] });
});

test('beside a replica that runs none waits', () => {
  const containers = [listed('a', { ...replica, ...down('created') }), listed('b', replica)];
  expect(summary(containers)).toMatchObject({ live: ['b'], idle: [], orphans: ['a'] });
});

test('what nobody wants is an orphan, running or not', () => {
  const containers = [listed('a'), listed('b', { ...replica, ...down('exited') })];
  expect(summary(containers, () => false)).toEqual({ ...NOTHING, orphans: ['a', 'b'] });
});
