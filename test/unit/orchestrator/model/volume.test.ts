import { targetNameOf } from '../../../../controller/protocol/target-name.ts';
import { decodeVolumeRequest, parseVolumeName } from '../../../../orchestrator/model/volume.ts';

test('a volume is addressed as NAME or NAMESPACE/NAME', () => {
  expect(parseVolumeName('data')).toEqual({ namespace: 'default', name: 'data' });
  expect(parseVolumeName('data', 'team')).toEqual({ namespace: 'team', name: 'data' });
  expect(parseVolumeName('team/data')).toEqual({ namespace: 'team', name: 'data' });
  expect(() => parseVolumeName('a/b/c')).toThrow(/expected NAME or NAMESPACE\/NAME/);
});

test.each(['', '-a', 'a-', 'A', 'a.b', 'a_b', 'ä', 'a'.repeat(64), '..'])(
  'a volume name that is no DNS label is refused, given as %j',
  (name) => {
    expect(() => parseVolumeName(name)).toThrow(/expected 1 to 63 of a-z/);
  },
);

test('a volume request takes its defaults, when only a name is given', () => {
  expect(decodeVolumeRequest({ name: 'a'.repeat(63) })).toEqual({
    namespace: 'default',
    name: 'a'.repeat(63),
    sizeBytes: 1024 ** 3,
    labels: {},
    defaults: {},
    chap: null,
  });
});

test.each([
  [null, /volume: expected an object/],
  [{}, /name: expected a string/],
  [{ name: 'a', sise: '1Gi' }, /field "sise": not known/],
  [{ name: 'a', size: 5 }, /size: expected a string/],
  [{ name: 'a', labels: [] }, /labels: expected an object/],
  [{ name: 'a', labels: { env: 1 } }, /label env: expected a string/],
  [{ name: 'a', labels: { 'a b': '1' } }, /label "a b": expected letters/],
])('a volume request is refused with the reason, given as %j', (value, reason) => {
  expect(() => decodeVolumeRequest(value)).toThrow(reason);
});

test('a target name keeps namespace and name apart', () => {
  expect(targetNameOf({ namespace: 'default', name: 'demo' })).toBe(
    'iqn.2026-11.io.keelson:default.demo',
  );
});
