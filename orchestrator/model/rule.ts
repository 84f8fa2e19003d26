import { KeelsonError } from '../../replica/common/errors.ts';
import {
  readInteger,
  readObject,
  readOneOf,
  readString,
  readText,
} from '../../replica/common/validate.ts';
import { decodePolicyLabels, type Labels } from './labels.ts';
import {
  formatSelector,
  MAX_SELECTOR_CHARS,
  parseSelector,
  type Selector,
  selects,
} from './selector.ts';
import {
  checkDnsLabel,
  DEFAULT_NAMESPACE,
  refuseUnknownFields,
  type VolumeName,
} from './volume.ts';

export const RULE_ACTIONS = ['add'] as const;
export type RuleAction = (typeof RULE_ACTIONS)[number];

/** Labels for the volumes of a namespace that its selector selects (S29, N10). */
export interface Rule {
  readonly namespace: string;
  readonly name: string;
  /** By the volume's own labels. */
  readonly selector: Selector;
  /** `add`: the labels count where the volume has none of its own for the same thing. */
  readonly action: RuleAction;
  readonly labels: Labels;
  /** Of two rules that decide the same thing, the one with the lower weight does. */
  readonly weight: number;
}

/** A rule as it is sent, shown and stored. */
export interface RuleFields extends Omit<Rule, 'selector'> {
  readonly selector: string;
}

export const MAX_WEIGHT = 1000;

/** In one installation. */
export const MAX_RULES = 256;

const FIELDS = ['namespace', 'name', 'selector', 'action', 'labels', 'weight'];

/** Reads a rule. Errors: INVALID_ARGUMENT, naming the field or the label. */
export function decodeRule(value: unknown): Rule {
  const fields = readObject(value, 'rule');
  refuseUnknownFields(fields, FIELDS);
  const namespace =
    fields.namespace === undefined ? DEFAULT_NAMESPACE : readString(fields, 'namespace');
  const name = readString(fields, 'name');
  checkDnsLabel('namespace', namespace);
  checkDnsLabel('name', name);
  const labels = decodePolicyLabels(fields.labels);
  if (Object.keys(labels).length === 0) {
    throw new KeelsonError('INVALID_ARGUMENT', 'labels: expected at least one');
  }
  return {
    namespace,
    name,
    selector: parseSelector(readText(fields, 'selector', MAX_SELECTOR_CHARS)),
    action: readOneOf(fields, 'action', RULE_ACTIONS),
    labels,
    weight:
      fields.weight === undefined ? 0 : readInteger(fields, 'weight', { min: 0, max: MAX_WEIGHT }),
  };
}

/** Reads a rule that is put at an address, which it need not repeat. Errors: as `decodeRule`. */
export function decodeRuleAt(place: VolumeName, value: unknown): Rule {
  const fields = readObject(value, 'rule');
  for (const field of ['namespace', 'name'] as const) {
    if (fields[field] === undefined || fields[field] === place[field]) continue;
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `${field}: expected ${place[field]} as in the path, got ${JSON.stringify(fields[field])?.slice(0, 80)}`,
    );
  }
  return decodeRule({ ...fields, namespace: place.namespace, name: place.name });
}

export function showRule(rule: Rule): RuleFields {
  const { namespace, name, selector, action, labels, weight } = rule;
  return { namespace, name, selector: formatSelector(selector), action, labels, weight };
}

/**
 * The rules that select a volume, the one that wins first: by weight, lowest first, and among equal
 * weights by name.
 */
export function rulesOf(
  volume: { readonly namespace: string; readonly labels: Labels },
  rules: readonly Rule[],
): Rule[] {
  return rules
    .filter(({ namespace, selector }) => {
      return namespace === volume.namespace && selects(selector, volume.labels);
    })
    .toSorted((a, b) => a.weight - b.weight || (a.name < b.name ? -1 : 1));
}

/** How a rule differs from what was asked for, in words; undefined when it does not. */
export function whyOtherRule(existing: Rule, asked: Rule): string | undefined {
  const [has, wanted] = [existing, asked].map(describe) as [Description, Description];
  const differences = Object.entries(has)
    .filter(([what, value]) => value !== wanted[what])
    .map(([what, value]) => `${what} is ${value}, asked for ${wanted[what]}`);
  return differences.length === 0 ? undefined : differences.join('; ');
}

type Description = Readonly<Record<string, string>>;

function describe(rule: Rule): Description {
  const { selector, action, labels, weight } = showRule(rule);
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return {
    selector: JSON.stringify(selector),
    action,
    labels: pairs.sort().join(' '),
    weight: String(weight),
  };
}
