import { readObject, readOneOf, readString } from '../../replica/common/validate.ts';
import {
  type Labels,
  makePolicy,
  POLICY_FIELDS,
  type Policy,
  type PolicyField,
  type PolicyLabel,
  readPolicyLabels,
} from './labels.ts';
import type { Rule } from './rule.ts';

/** All that has a say in a volume's policy. */
export interface PolicySources {
  /** Given to the volume itself. */
  readonly labels: Labels;
  /** Those that select it, the first of them before the others (rule.ts). */
  readonly rules: readonly Rule[];
  /** Of the driver or the class that made it. */
  readonly defaults: Labels;
}

/** What decided a field of a policy. */
export type Origin =
  | { readonly from: 'label' | 'defaults'; readonly label: string }
  /** `namespace/name`. */
  | { readonly from: 'rule'; readonly rule: string; readonly label: string }
  | { readonly from: 'built in' };

const ORIGINS = ['label', 'rule', 'defaults', 'built in'] as const;

export type Origins = Readonly<Record<PolicyField, Origin>>;

export interface ResolvedPolicy {
  readonly policy: Policy;
  readonly origins: Origins;
}

/**
 * Who wins, field by field: a label of the volume, then its rules in their order, then the defaults,
 * then what is built in (N10, S29, S30; ADR 0024).
 *
 * Errors: INVALID_ARGUMENT, naming the label: only for labels that nobody has checked yet.
 */
export function resolvePolicy({ labels, rules, defaults }: PolicySources): ResolvedPolicy {
  const found = new Map<PolicyField, PolicyLabel>();
  const origins = new Map<PolicyField, Origin>();
  const add = (layer: Labels, originOf: (label: string) => Origin) => {
    for (const [field, given] of readPolicyLabels(layer)) {
      if (found.has(field)) continue;
      found.set(field, given);
      origins.set(field, originOf(given.label));
    }
  };
  add(labels, (label) => ({ from: 'label', label }));
  for (const { namespace, name, labels: added } of rules) {
    add(added, (label) => ({ from: 'rule', rule: `${namespace}/${name}`, label }));
  }
  add(defaults, (label) => ({ from: 'defaults', label }));
  return {
    policy: makePolicy(found),
    origins: mapFields((field) => origins.get(field) ?? { from: 'built in' }),
  };
}

/** `label keelson.io/replicas`, `rule default/three`, `defaults`, `built in`. */
export function showOrigin(origin: Origin): string {
  switch (origin.from) {
    case 'label':
      return `label ${origin.label}`;
    case 'rule':
      return `rule ${origin.rule}`;
    default:
      return origin.from;
  }
}

/** Reads what was stored. Errors: INVALID_ARGUMENT. */
export function decodeOrigins(value: unknown): Origins {
  const fields = readObject(value, 'origins');
  return mapFields((field): Origin => {
    const origin = readObject(fields[field], `origin of ${field}`);
    const from = readOneOf(origin, 'from', ORIGINS);
    if (from === 'built in') return { from };
    const label = readString(origin, 'label');
    return from === 'rule' ? { from, rule: readString(origin, 'rule'), label } : { from, label };
  });
}

/** One value for each field of a policy. */
export function mapFields<T>(
  makeValue: (field: PolicyField) => T,
): Readonly<Record<PolicyField, T>> {
  return Object.fromEntries(POLICY_FIELDS.map((field) => [field, makeValue(field)])) as Record<
    PolicyField,
    T
  >;
}
