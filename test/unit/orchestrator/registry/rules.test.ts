import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeRule, MAX_RULES } from '../../../../orchestrator/model/rule.ts';
import { decodeVolumeRequest } from '../../../../orchestrator/model/volume.ts';
import { Registry } from '../../../../orchestrator/registry/registry.ts';
import { decodeState, encodeState, type State } from '../../../../orchestrator/registry/state.ts';
import { makeRecord } from '../support/records.ts';

const NODES = ['node1', 'node2'];
const NONE: ReadonlySet<string> = new Set();

function rule(name: string, replicas: number, rest: object = {}) {
  const labels = { 'keelson.io/replicas': String(replicas) };
  return decodeRule({ name, selector: '', action: 'add', labels, ...rest });
}

const STATE: State = {
  ...{ installationId: 'i1', nodes: [], startedInstances: [], faults: new Map() },
  volumes: new Map([
    [
      'default/demo',
      makeRecord({
        labels: { 'storageos.com/replicas': '1', env: 'prod' },
        origins: {
          replicas: { from: 'label', label: 'storageos.com/replicas' },
          failureMode: { from: 'built in' },
          failureTolerance: { from: 'built in' },
          initiators: { from: 'built in' },
          allowsSanitize: { from: 'built in' },
        },
      }),
    ],
  ]),
  rules: [rule('one', 1, { selector: 'env==prod,!tier', weight: 3 }), rule('two', 2)],
};

test('a state reads back with its rules', () => {
  expect(decodeState(JSON.parse(encodeState(STATE)))).toEqual(STATE);
});

test('a state from before there were rules has none, and its volumes say what their labels decided', () => {
  const stored = JSON.parse(encodeState(STATE));
  delete stored.rules;
  delete stored.volumes[0].defaults;
  delete stored.volumes[0].origins;
  expect(decodeState(stored)).toEqual({ ...STATE, rules: [] });
});

test.each<[string, (stored: { rules: unknown; volumes: Record<string, unknown>[] }) => void]>([
  ['rules: expected a list', (stored) => Object.assign(stored, { rules: {} })],
  [
    'action: expected one of add',
    (stored) =>
      Object.assign(stored, { rules: [{ ...STATE.rules[0], selector: '', action: 'x' }] }),
  ],
  [
    'origin of replicas: expected an object',
    ({ volumes }) => Object.assign(volumes[0]!, { origins: {} }),
  ],
])('a state in which somebody else wrote is refused: %s', (reason, damage) => {
  const stored = JSON.parse(encodeState(STATE));
  damage(stored);
  expect(() => decodeState(stored)).toThrow(reason);
});

describe('the registry', () => {
  let root = '';
  let registry: Registry;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'keelson-rules-'));
    registry = await Registry.open(root, NODES);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test('tells of exactly those volumes that a rule changed, once, and counts a revision', async () => {
    for (const name of ['a', 'b']) {
      const labels = name === 'a' ? {} : { 'keelson.io/replicas': '0' };
      await registry.create(decodeVolumeRequest({ name, labels }), NONE);
    }
    const heard: string[] = [];
    registry.subscribe((address) => heard.push(address));
    const changes = await registry.setRule(rule('one', 1));
    expect(changes.map(({ before, after }) => [before.spec.name, after.revision])).toEqual([
      ['a', 2],
    ]);
    // Another one that decides nothing is stored, and nobody needs to know.
    expect(await registry.setRule(rule('two', 2, { weight: 9 }))).toEqual([]);
    expect(heard).toEqual(['default/a']);
    expect((await Registry.open(root, NODES)).rules.map(({ name }) => name)).toEqual([
      'one',
      'two',
    ]);
  });

  test('leaves a volume alone that is being deleted', async () => {
    await registry.create(decodeVolumeRequest({ name: 'a' }), NONE);
    await registry.markDeleting('default/a');
    expect(await registry.setRule(rule('one', 1))).toEqual([]);
    expect(registry.require('default/a').spec.replicas).toBe(0);
  });

  test(`has room for ${MAX_RULES} rules`, async () => {
    const rules = Array.from({ length: MAX_RULES }, (_, index) => rule(`r${index}`, 1));
    await Promise.all(rules.map((each) => registry.setRule(each)));
    await expect(registry.setRule(rule('more', 1))).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: 'create rule default/more: expected at most 256 rules; remove one first',
    });
    await registry.setRule(rule('r0', 2)); // in the place of another one
    expect(registry.rules).toHaveLength(MAX_RULES);
    await expect(registry.removeRule('default/more')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
