import { dockerNameOf, volumeOf } from '../../../../orchestrator/docker-driver/core/names.ts';

test.each([
  ['db', 'default', 'db', 'db'],
  ['prod.db', 'prod', 'db', 'prod.db'],
  ['default.db', 'default', 'db', 'db'],
  ['a-1.b-2', 'a-1', 'b-2', 'a-1.b-2'],
])('the Docker name %s is volume %s/%s and shown as %s', (text, namespace, name, shown) => {
  expect(volumeOf(text)).toEqual({ namespace, name });
  expect(dockerNameOf({ namespace, name })).toBe(shown);
});

test.each([
  ...['', '.', 'a.', '.b', 'a.b.c', 'project_db', 'DB', 'a/b', '-a', 'a-', `${'x'.repeat(64)}`],
  '__proto__',
])('the Docker name %p is refused with what a name may be', (text) => {
  expect(() => volumeOf(text)).toThrow(
    /^volume name ".*": expected NAME, or NAMESPACE\.NAME .* a-z, 0-9 and -, .*Compose/,
  );
});

test('no two volumes have the same name in Docker', () => {
  const labels = ['default', 'a', 'b', 'a-b', 'default-a'];
  const names = labels.flatMap((namespace) =>
    labels.map((name) => dockerNameOf({ namespace, name })),
  );
  expect(new Set(names).size).toBe(labels.length ** 2);
  for (const name of names) expect(dockerNameOf(volumeOf(name))).toBe(name);
});
