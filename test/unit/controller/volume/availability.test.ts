import type { FailureMode } from '../../../../controller/protocol/registration.ts';
import { healthOf, isIoAllowed } from '../../../../controller/volume/availability.ts';

/** For 0 to 5 replicas: how many copies may be missing, in order of tolerance 0, 1, 2, 3, 4. */
const SOFT: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0],
  [0, 1, 1, 1, 1],
  [0, 1, 2, 2, 2],
  [0, 1, 2, 3, 3],
  [0, 1, 2, 3, 4],
  [0, 1, 2, 3, 4],
];

function mayMiss(policy: Parameters<typeof isIoAllowed>[0]): number[] {
  const missing = Array.from({ length: policy.replicas + 2 }, (_, count) => count);
  return missing.filter((count) => isIoAllowed(policy, policy.replicas + 1 - count));
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, count) => count);

describe.each([0, 1, 2, 3, 4, 5])('volume with %d replicas', (replicas) => {
  const policy = (failureMode: FailureMode, failureTolerance = 0) => ({
    ...{ replicas, failureMode, failureTolerance },
  });

  test.each([0, 1, 2, 3, 4])(
    'S24, S25: soft with tolerance %d allows I/O within it',
    (tolerance) => {
      expect(mayMiss(policy('soft', tolerance))).toEqual(upTo(SOFT[replicas]![tolerance]!));
    },
  );

  test('S22: hard allows I/O with every copy only', () => {
    expect(mayMiss(policy('hard', 4))).toEqual([0]);
  });

  test('S23: alwayson allows I/O with any one copy left', () => {
    expect(mayMiss(policy('alwayson'))).toEqual(upTo(replicas));
  });

  test.each(['soft', 'hard', 'alwayson'] as const)(
    'S20, S21: %s is healthy with all copies, degraded with fewer, unavailable where I/O is not allowed',
    (failureMode) => {
      const health = policy(failureMode, 1);
      for (let inSync = 0; inSync <= replicas + 1; inSync += 1) {
        const usable = inSync === replicas + 1 ? 'healthy' : 'degraded';
        const expected = isIoAllowed(health, inSync) ? usable : 'unavailable';
        expect([inSync, healthOf(health, inSync)]).toEqual([inSync, expected]);
      }
    },
  );
});

test('S26, S27: the default of one replica tolerates its loss, a tolerance of 2 that of two', () => {
  const soft = { failureMode: 'soft' } as const;
  expect(mayMiss({ ...soft, replicas: 1, failureTolerance: 1 })).toEqual([0, 1]);
  expect(mayMiss({ ...soft, replicas: 3, failureTolerance: 2 })).toEqual([0, 1, 2]);
});
