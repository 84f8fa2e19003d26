import type { MergePatch } from '../kubernetes/kube-api.ts';
import type { RuleObject } from '../kubernetes/objects.ts';
import { isSameJson } from './canonical.ts';
import { conditionsIn, type Finding, withFindings } from './conditions.ts';
import { ACCEPTED } from './verdict.ts';

export interface RuleFacts {
  readonly accepted: Finding;
  readonly volumeCount: number;
  /** RFC 3339. */
  readonly nowText: string;
}

/** What makes the status of a Rule tell these facts; undefined when it does. */
export function ruleStatusPatch(
  { metadata, status }: RuleObject,
  { accepted, volumeCount, nowText }: RuleFacts,
): MergePatch | undefined {
  const { generation } = metadata;
  const frame = { ours: [ACCEPTED], nowText, generation };
  const wanted = {
    observedGeneration: generation,
    volumes: volumeCount,
    conditions: withFindings(conditionsIn(status), [accepted], frame),
  };
  const { observedGeneration, volumes, conditions } = status ?? {};
  return isSameJson({ observedGeneration, volumes, conditions }, wanted) ? undefined : wanted;
}
