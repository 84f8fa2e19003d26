import {
  type Labels,
  makePolicy,
  plainLabels,
  readPolicyLabels,
} from '../../../../orchestrator/model/labels.ts';

const readPolicy = (labels: Labels) => makePolicy(readPolicyLabels(labels));

const DEFAULTS = {
  ...{ replicas: 0, failureMode: 'soft', failureTolerance: 0 },
  ...{ initiators: [], allowsSanitize: false },
};

describe('S4 the replica count', () => {
  test.each([0, 1, 2, 3, 4, 5])('may be %i', (replicas) => {
    expect(readPolicy({ 'storageos.com/replicas': String(replicas) }).replicas).toBe(replicas);
  });

  test.each(['6', '-1', '1.5', '', 'two', ' 1', '01'])('may not be %j', (value) => {
    expect(() => readPolicy({ 'storageos.com/replicas': value })).toThrow(
      /label storageos.com\/replicas: expected a whole number from 0 to 5/,
    );
  });
});

test('S5 S24 without labels there are no replicas and the mode is soft', () => {
  expect(readPolicy({})).toEqual(DEFAULTS);
});

test.each(['hard', 'alwayson', 'soft'])('S22 S23 S27 the failure mode %s is accepted', (mode) => {
  expect(readPolicy({ 'storageos.com/failure.mode': mode }).failureMode).toBe(mode);
});

test.each([
  [0, 0],
  [1, 1],
  [2, 1],
  [3, 2],
  [4, 3],
  [5, 4],
])('S26 N2 with replicas=%i the default tolerance is %i', (replicas, tolerance) => {
  const policy = readPolicy({ 'keelson.io/replicas': String(replicas) });
  expect(policy.failureTolerance).toBe(tolerance);
});

test('S27 the tolerance is taken from its label', () => {
  const labels = { 'storageos.com/failure.mode': 'soft', 'storageos.com/failure.tolerance': '2' };
  expect(readPolicy(labels)).toEqual({ ...DEFAULTS, failureTolerance: 2 });
});

test('S31 storageos.feature.replicas is accepted from 1 to 5', () => {
  expect(readPolicy({ 'storageos.feature.replicas': '5' }).replicas).toBe(5);
  expect(() => readPolicy({ 'storageos.feature.replicas': '0' })).toThrow(/from 1 to 5/);
});

describe('who may log in', () => {
  const initiatorsIn = (value: string) => readPolicy({ 'keelson.io/initiators': value }).initiators;

  test('is a list of names, folded, each once', () => {
    expect(initiatorsIn('iqn.2026-11.com.example:A, eui.0123456789ABCDEF')).toEqual([
      'iqn.2026-11.com.example:a',
      'eui.0123456789abcdef',
    ]);
    expect(initiatorsIn('iqn.2026-11.com.x:a,IQN.2026-11.com.x:a')).toHaveLength(1);
  });

  test.each(['', ' ', 'host1', 'iqn.2026-11.com.x:a,', 'iqn.2026-11.com.x:a;iqn.2026-11.com.x:b'])(
    'is refused, given as %j',
    (value) => expect(() => initiatorsIn(value)).toThrow('label keelson.io/initiators: expected'),
  );

  test('has at most 128 names', () => {
    const names = Array.from({ length: 129 }, (_, index) => `iqn.2026-11.com.x:${index}`);
    expect(initiatorsIn(names.slice(1).join())).toHaveLength(128);
    expect(() => initiatorsIn(names.join())).toThrow('expected 1 to 128 names, got "129"');
  });
});

test.each([
  ['allow', true],
  ['refuse', false],
])('SANITIZE is decided by its label: %s', (value, allowsSanitize) => {
  expect(readPolicy({ 'keelson.io/sanitize': value })).toEqual({ ...DEFAULTS, allowsSanitize });
  expect(() => readPolicy({ 'keelson.io/sanitize': 'yes' })).toThrow('expected allow or refuse');
});

describe('N7 labels', () => {
  test.each([
    ['keelson.io/failure-mode'],
    ['storageos.com/failure.mode'],
    ['storageos.com/failure-mode'],
  ])('%s sets the failure mode', (label) => {
    expect(readPolicy({ [label]: 'hard' }).failureMode).toBe('hard');
    expect(() => readPolicy({ [label]: 'Hard' })).toThrow(`label ${label}: expected soft, hard`);
  });

  test.each([['keelson.io/failure-tolerance'], ['storageos.com/failure.tolerance']])(
    '%s sets the tolerance from 0 to 4',
    (label) => {
      expect(readPolicy({ [label]: '4' }).failureTolerance).toBe(4);
      expect(() => readPolicy({ [label]: '5' })).toThrow(`label ${label}: expected a whole number`);
    },
  );

  test('that disagree are refused, naming both', () => {
    const labels = { 'keelson.io/replicas': '1', 'storageos.feature.replicas': '2' };
    expect(() => readPolicy(labels)).toThrow(
      'labels keelson.io/replicas=1 and storageos.feature.replicas=2 disagree',
    );
  });

  test('that agree are fine', () => {
    const labels = { 'keelson.io/replicas': '2', 'storageos.feature.replicas': '2' };
    expect(readPolicy(labels).replicas).toBe(2);
  });

  test.each(['keelson.io/replica', 'storageos.com/failuremode', 'storageos.feature.dedupe'])(
    'that nobody knows are refused, given as %s',
    (label) => {
      expect(() => readPolicy({ [label]: '1' })).toThrow(`label ${label}: not known`);
    },
  );

  test('of others are kept and not interpreted', () => {
    const labels = { env: 'prod', 'example.com/replicas': '9', 'keelson.io/replicas': '1' };
    expect(readPolicy(labels).replicas).toBe(1);
    expect(plainLabels(labels)).toEqual({ env: 'prod', 'example.com/replicas': '9' });
  });
});
