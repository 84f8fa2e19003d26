import type { Condition } from '../kubernetes/objects.ts';

/** What is found of one thing that conditions speak of; Kubernetes adds times to it. */
export interface Finding {
  readonly type: string;
  readonly status: Condition['status'];
  /** One word for programs: CamelCase, never changed once it is released. */
  readonly reason: string;
  /** One sentence for people. */
  readonly message: string;
}

/**
 * The conditions with these findings, in the order given; those of types that are `ours` and found
 * no more are gone, those that somebody else wrote stay.
 *
 * @param nowText RFC 3339; it is the transition time of whatever has another status than before
 */
export function withFindings(
  before: readonly Condition[],
  findings: readonly Finding[],
  { ours, nowText, generation }: ConditionFrame,
): Condition[] {
  const found = findings.map((finding): Condition => {
    const earlier = before.find(({ type }) => type === finding.type);
    const isSame = earlier?.status === finding.status && earlier.lastTransitionTime !== undefined;
    return {
      ...finding,
      lastTransitionTime: isSame ? earlier.lastTransitionTime : nowText,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
  return [...found, ...before.filter(({ type }) => !ours.includes(type))];
}

export interface ConditionFrame {
  readonly ours: readonly string[];
  readonly nowText: string;
  readonly generation: number | undefined;
}

/** Whether nobody needs to be told. */
export function isSameFinding(before: Condition | Finding | undefined, now: Finding): boolean {
  const { type, status, reason, message } = now;
  return (
    before?.type === type &&
    before.status === status &&
    before.reason === reason &&
    before.message === message
  );
}

/** The conditions of a status that anybody may have written. */
export function conditionsIn(status: Readonly<Record<string, unknown>> | undefined): Condition[] {
  const conditions = status?.conditions;
  return Array.isArray(conditions) ? conditions.filter(isCondition) : [];
}

function isCondition(value: unknown): value is Condition {
  if (typeof value !== 'object' || value === null) return false;
  const { type, status } = value as { type?: unknown; status?: unknown };
  return typeof type === 'string' && typeof status === 'string';
}
