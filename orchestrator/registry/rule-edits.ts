import { KeelsonError } from '../../replica/common/errors.ts';
import { MAX_RULES, type Rule } from '../model/rule.ts';
import { addressOf } from '../model/volume.ts';
import { revised, withPolicy } from './edits.ts';
import type { State } from './state.ts';

/** Changes of the rules, and of the volumes that they decide about, as plain functions. */

/** The state with this rule, in the place of one of the same name. Errors: NO_SPACE. */
export function withRule(state: State, rule: Rule): State {
  const others = state.rules.filter((other) => addressOf(other) !== addressOf(rule));
  if (others.length >= MAX_RULES) {
    throw new KeelsonError(
      'NO_SPACE',
      `create rule ${addressOf(rule)}: expected at most ${MAX_RULES} rules; remove one first`,
    );
  }
  const rules = [...others, rule].sort((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1));
  return withRules(state, rules, rule.namespace);
}

/** Errors: NOT_FOUND. */
export function withoutRule(state: State, address: string): State {
  const rule = ruleIn(state, address);
  return withRules(
    state,
    state.rules.filter((other) => other !== rule),
    rule.namespace,
  );
}

/** Errors: NOT_FOUND. */
export function ruleIn(state: State, address: string): Rule {
  const rule = state.rules.find((candidate) => addressOf(candidate) === address);
  if (rule === undefined) throw new KeelsonError('NOT_FOUND', `rule ${address} does not exist`);
  return rule;
}

/**
 * Every volume as the rules make it; the same state when they are so.
 *
 * @param unclear namespaces whose volumes stay as they are
 */
export function withRulesFollowed(state: State, unclear: ReadonlySet<string>): State {
  const volumes = new Map(state.volumes);
  for (const [address, record] of state.volumes) {
    if (record.isDeleting || unclear.has(record.spec.namespace)) continue;
    volumes.set(address, revised(record, withPolicy(record, state.rules)));
  }
  const isSame = [...volumes].every(([address, record]) => record === state.volumes.get(address));
  return isSame ? state : { ...state, volumes };
}

/** Whether there are nodes enough is not asked: a volume that is short of them gets what it can. */
function withRules(state: State, rules: readonly Rule[], namespace: string): State {
  const volumes = new Map(state.volumes);
  for (const [address, record] of state.volumes) {
    if (record.spec.namespace !== namespace || record.isDeleting) continue;
    volumes.set(address, revised(record, withPolicy(record, rules)));
  }
  return { ...state, rules, volumes };
}
