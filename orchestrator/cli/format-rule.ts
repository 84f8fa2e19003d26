import type { RuleView } from '../model/view.ts';
import { addressOf } from '../model/volume.ts';
import { formatTable } from './columns.ts';
import { formatLabels } from './format.ts';
import type { Shown } from './output.ts';

export function showRules(rules: readonly RuleView[]): Shown {
  const header = ['RULE', 'WEIGHT', 'SELECTOR', 'ACTION', 'LABELS', 'VOLUMES'];
  const rowOf = (rule: RuleView, volumes: string) => [
    addressOf(rule),
    String(rule.weight),
    formatSelector(rule),
    rule.action,
    formatLabels(rule.labels),
    volumes,
  ];
  const named = (rule: RuleView) => rule.volumes.join(',');
  return {
    table: formatTable([header, ...rules.map((rule) => rowOf(rule, String(rule.volumes.length)))]),
    wide: formatTable([header, ...rules.map((rule) => rowOf(rule, named(rule)))]),
  };
}

export function showRule(rule: RuleView): Shown {
  const table = formatTable([
    ['Rule:', addressOf(rule)],
    ['Weight:', String(rule.weight)],
    ['Selector:', formatSelector(rule)],
    ['Action:', rule.action],
    ['Labels:', formatLabels(rule.labels)],
    ['Volumes:', rule.volumes.length === 0 ? 'none' : rule.volumes.join(' ')],
  ]);
  return { table };
}

function formatSelector({ selector, namespace }: RuleView): string {
  return selector === '' ? `all of ${namespace}` : selector;
}
