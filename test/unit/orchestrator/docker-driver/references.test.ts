import {
  addReference,
  countReferences,
  dropReference,
  markAnswered,
  type References,
} from '../../../../orchestrator/docker-driver/core/references.ts';

const mounted = (references: References, id: string) =>
  markAnswered(addReference(references, id), id);
const unmounted = (references: References, id: string) =>
  markAnswered(dropReference(references, id), id);

test('uses are counted over all IDs', () => {
  const two = mounted(mounted([], 'a'), 'b');
  expect(countReferences(two)).toBe(2);
  expect(countReferences(unmounted(two, 'a'))).toBe(1);
  expect(unmounted(unmounted(two, 'a'), 'b')).toEqual([]);
});

test('docker cp uses the ID of the container that runs, and the container keeps its use', () => {
  const running = mounted([], 'a');
  const copied = unmounted(mounted(running, 'a'), 'a');
  expect(countReferences(copied)).toBe(1);
});

test('a call that is repeated because it was not answered counts once', () => {
  const once = addReference([], 'a');
  expect(addReference(once, 'a')).toBe(once);
  const answered = mounted(mounted([], 'a'), 'a');
  const dropped = dropReference(answered, 'a');
  expect(countReferences(dropped)).toBe(1);
  expect(dropReference(dropped, 'a')).toBe(dropped);
  expect(countReferences(unmounted(dropped, 'a'))).toBe(1);
  expect(countReferences(unmounted(markAnswered(dropped, 'a'), 'a'))).toBe(0);
});

test('the opposite call is no repetition', () => {
  expect(dropReference(addReference([], 'a'), 'a')).toEqual([]);
  const dropped = dropReference(mounted(mounted([], 'a'), 'a'), 'a');
  expect(countReferences(addReference(dropped, 'a'))).toBe(2);
});

test('an unknown ID changes nothing', () => {
  const one = mounted([], 'a');
  expect(dropReference(one, 'b')).toBe(one);
  expect(markAnswered(one, 'b')).toBe(one);
  expect(markAnswered(one, 'a')).toBe(one);
});
