import type { ProcessIdentity } from '../../../../orchestrator/model/instance.ts';
import { type Fate, fateOf, type SeenProcess } from '../../../../orchestrator/plan/fate.ts';

const HERE = { bootId: 'boot', pidNamespace: 'pid:[1]' };
const STARTED: ProcessIdentity = { ...HERE, pid: 7, startTicks: 100 };
const SAME: SeenProcess = { startTicks: 100, isZombie: false };

const CASES: readonly [Fate, string, Partial<ProcessIdentity>, SeenProcess][] = [
  ['alive', 'has its pid and began when it did', {}, SAME],
  ['alive', 'has its pid and does not show when it began', {}, 'hidden'],
  ['gone', 'nothing has its pid', {}, 'none'],
  ['gone', 'another process has its pid', {}, { startTicks: 101, isZombie: false }],
  ['gone', 'only its exit code is left', {}, { startTicks: 100, isZombie: true }],
  ['gone', 'the machine was started anew, and all looks the same', { bootId: 'older' }, SAME],
  [
    'unknown',
    'nothing has its pid here, but it was another namespace',
    { pidNamespace: '2' },
    'none',
  ],
];

test.each(CASES)(
  'I7 a controller of an earlier orchestrator is %s when %s',
  (fate, _case, change, seen) => {
    expect(fateOf({ ...STARTED, ...change }, HERE, seen)).toBe(fate);
  },
);
