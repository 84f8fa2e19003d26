import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { decodePolicyLabels } from '../../../../orchestrator/model/labels.ts';

const DIRECTORY = 'manifests/kubernetes/components/cel';

interface Patch {
  readonly op: string;
  readonly path: string;
  readonly value: readonly { readonly rule: string; readonly message: string }[];
}

/** What a JSON patch adds to a part of a resource that is there. */
function patchOf(plural: 'volumes' | 'rules'): Patch {
  const [patch, ...others] = parse(readFileSync(`${DIRECTORY}/${plural}.yaml`, 'utf8')) as Patch[];
  expect(others).toEqual([]);
  if (patch === undefined) throw new Error('no patch');
  const path = `manifests/kubernetes/base/crds/${plural}.keelson.io.yaml`;
  const steps = patch.path.split('/').slice(1, -1);
  const crd: unknown = parse(readFileSync(path, 'utf8'));
  const part = steps.reduce((found, step) => (found as Record<string, unknown>)[step], crd);
  expect(part).toMatchObject({ type: 'object', additionalProperties: { type: 'string' } });
  return patch;
}

function knownLabels(): string[] {
  try {
    decodePolicyLabels({ env: 'prod' });
  } catch (error) {
    return String(error)
      .replace(/.*expected one of /, '')
      .split(', ')
      .sort();
  }
  throw new Error('a label that decides nothing was taken');
}

test('the CEL rules know the labels that the orchestrator knows, and are the same for both', () => {
  const [volumes, rules] = [patchOf('volumes'), patchOf('rules')];
  expect(rules.value).toEqual(volumes.value);
  const [first, ...others] = volumes.value;
  const namesIn = (rule = '') => {
    return [...rule.matchAll(/'((?:keelson|storageos)[^']+)'/g)].map((match) => match[1]);
  };
  expect(namesIn(first?.rule).sort()).toEqual(knownLabels());
  // Of each but the names of initiators the values are checked as well, once.
  const checked = others.flatMap(({ rule }) => namesIn(rule)).sort();
  expect(checked).toEqual(knownLabels().filter((name) => name !== 'keelson.io/initiators'));
});

test.each([
  ['keelson.io/replicas', ['0', '5'], ['6', '-1', '1.0', '']],
  ['storageos.feature.replicas', ['1', '5'], ['0', '6']],
  ['keelson.io/failure-tolerance', ['0', '4'], ['5']],
])('the pattern for %s takes what the orchestrator takes', (label, good, bad) => {
  const { value } = patchOf('volumes');
  const rule = value.find(
    (entry) => entry.rule.includes(`'${label}'`) && /matches/.test(entry.rule),
  );
  const pattern = new RegExp(/matches\('([^']+)'\)/.exec(rule?.rule ?? '')?.[1] ?? 'none');
  for (const text of [...good, ...bad]) {
    expect(pattern.test(text)).toBe(good.includes(text));
    const decode = () => decodePolicyLabels({ [label]: text });
    if (good.includes(text)) expect(decode).not.toThrow();
    else expect(decode).toThrow(label);
  }
});
