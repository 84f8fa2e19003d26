import { MAX_WEIGHT, RULE_ACTIONS, type RuleFields } from '../../model/rule.ts';
import { MAX_SELECTOR_CHARS } from '../../model/selector.ts';
import type { RuleView } from '../../model/view.ts';
import { count, listOf, objectOf, oneOf, type Schema, text } from '../schema.ts';
import { ADDRESS, dnsLabel, labels } from './common.ts';

type Optional<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>;

const FIELDS: Readonly<Record<keyof RuleFields, Schema>> = {
  namespace: dnsLabel('Of the volumes it is for.', { default: 'default' }),
  name: dnsLabel('Unique in its namespace.'),
  selector: text(
    'Requirements of labels of the volume itself, all of which must be met: `env==prod`, ' +
      '`env!=prod`, `env` (is there), `!env` (is not), with commas between them. None: every volume.',
    { maxLength: MAX_SELECTOR_CHARS },
  ),
  action: oneOf(
    '`add`: the labels count where the volume has none of its own for the same thing.',
    RULE_ACTIONS,
  ),
  labels: labels('What it decides. Each label must decide something.', { minProperties: 1 }),
  weight: count('Of two rules for the same thing the one with the lower weight counts.', {
    maximum: MAX_WEIGHT,
    default: 0,
  }),
};

export const RULE_CREATE = objectOf<Optional<RuleFields, 'namespace' | 'weight'>>(
  'A rule that is wanted.',
  FIELDS,
  ['namespace', 'weight'],
);

export const RULE_REPLACE = objectOf<Optional<RuleFields, 'namespace' | 'name' | 'weight'>>(
  'A rule that is wanted; namespace and name are those of the path.',
  FIELDS,
  ['namespace', 'name', 'weight'],
);

export const RULE = objectOf<RuleView>('Labels for the volumes of a namespace that it selects.', {
  ...FIELDS,
  volumes: listOf(ADDRESS, {
    description: 'Volumes that it selects now, whether or not it decides anything about them.',
  }),
});
