import type { MergePatch } from '../kubernetes/kube-api.ts';
import type { RuleObject } from '../kubernetes/objects.ts';
import { RULES } from '../kubernetes/resources.ts';
import { decodeManifest } from '../model/manifest.ts';
import { decodeRule, type Rule } from '../model/rule.ts';
import { isSameJson } from './canonical.ts';
import { conditionsIn, type Finding, withFindings } from './conditions.ts';
import { ACCEPTED } from './verdict.ts';

/** What somebody asks for with a Rule object. Errors: ManifestFault. */
export function readRule({ metadata, spec = {} }: RuleObject): Rule {
  const { apiVersion, kind } = RULES;
  const { namespace, name } = metadata;
  const manifest = decodeManifest({ apiVersion, kind, metadata: { name }, spec }, namespace);
  if (manifest.kind !== 'Rule') throw new Error('a rule was read as something else');
  return decodeRule(manifest.rule);
}

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
