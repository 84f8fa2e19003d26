import { unreachable } from '../../replica/common/assert.ts';
import type { VolumeSpec } from '../protocol/registration.ts';
import type { Health } from '../protocol/status.ts';

/** The part of a volume's policy that decides whether it may be used (design section 6). */
export type FailurePolicy = Pick<VolumeSpec, 'replicas' | 'failureMode' | 'failureTolerance'>;

/** Whether I/O is allowed with `inSync` copies in sync. Without any copy it never is. */
export function isIoAllowed(policy: FailurePolicy, inSync: number): boolean {
  if (inSync < 1) return false;
  const missing = policy.replicas + 1 - inSync;
  switch (policy.failureMode) {
    case 'soft':
      return missing <= policy.failureTolerance;
    case 'hard':
      return missing <= 0;
    case 'alwayson':
      return true;
    default:
      return unreachable(policy.failureMode, 'failure mode');
  }
}

export function healthOf(policy: FailurePolicy, inSync: number): Health {
  if (!isIoAllowed(policy, inSync)) return 'unavailable';
  return inSync > policy.replicas ? 'healthy' : 'degraded';
}
