import { KeelsonError } from '../../replica/common/errors.ts';
import { isLabelName, type Labels, labelFamily } from './labels.ts';

/** What one label of a volume must be like. */
export type Requirement =
  | { readonly kind: 'equals' | 'differs'; readonly label: string; readonly value: string }
  | { readonly kind: 'has' | 'lacks'; readonly label: string };

/** A volume is selected when it meets all of them; none selects every volume. */
export type Selector = readonly Requirement[];

const MAX_REQUIREMENTS = 32;
export const MAX_SELECTOR_CHARS = 4096;

/**
 * Reads a selector of labels, with the meaning that it has in Kubernetes.
 *
 *   env==prod  env=prod   the label is there, with this value
 *   env!=prod             the label has another value, or is not there
 *   env                   the label is there
 *   !env                  the label is not there
 *
 * Requirements are separated by commas. A value holds neither comma nor equals sign nor spaces.
 *
 * Errors: INVALID_ARGUMENT, naming the requirement.
 */
export function parseSelector(text: string): Selector {
  if (text.length > MAX_SELECTOR_CHARS) {
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `selector: expected at most ${MAX_SELECTOR_CHARS} characters, got ${text.length}`,
    );
  }
  if (text.trim() === '') return [];
  const parts = text.split(',');
  if (parts.length > MAX_REQUIREMENTS) {
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `selector: expected at most ${MAX_REQUIREMENTS} requirements, got ${parts.length}`,
    );
  }
  return parts.map((part) => parseRequirement(part.trim()));
}

/** Whether a volume with these labels is selected. A label stands for all its other names (N7). */
export function selects(selector: Selector, labels: Labels): boolean {
  return selector.every((requirement) => isMet(requirement, labels));
}

/** The one way to write a selector, so that two that mean the same mostly are the same. */
export function formatSelector(selector: Selector): string {
  return selector.map(formatRequirement).join(',');
}

function parseRequirement(text: string): Requirement {
  const match = /^(!?)\s*([^\s=!,]+)\s*(?:(==|=|!=)\s*([^\s=!,]*))?$/.exec(text);
  const [, not, label = '', operator, value = ''] = match ?? [];
  if (match === null || !isLabelName(label) || (not === '!' && operator !== undefined)) {
    const shown = JSON.stringify(text.slice(0, 80));
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `selector: expected LABEL==VALUE, LABEL!=VALUE, LABEL or !LABEL, got ${shown}`,
    );
  }
  labelFamily(label); // refuses a name of our own families that nobody knows
  if (operator === undefined) return { kind: not === '!' ? 'lacks' : 'has', label };
  return { kind: operator === '!=' ? 'differs' : 'equals', label, value };
}

function isMet(requirement: Requirement, labels: Labels): boolean {
  const family = labelFamily(requirement.label);
  const values = family.filter((name) => Object.hasOwn(labels, name)).map((name) => labels[name]);
  switch (requirement.kind) {
    case 'has':
      return values.length > 0;
    case 'lacks':
      return values.length === 0;
    case 'equals':
      return values.includes(requirement.value);
    case 'differs':
      return !values.includes(requirement.value);
  }
}

function formatRequirement(requirement: Requirement): string {
  const { label } = requirement;
  switch (requirement.kind) {
    case 'has':
      return label;
    case 'lacks':
      return `!${label}`;
    case 'equals':
      return `${label}==${requirement.value}`;
    case 'differs':
      return `${label}!=${requirement.value}`;
  }
}
