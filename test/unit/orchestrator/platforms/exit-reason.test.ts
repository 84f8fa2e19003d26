import { mayHaveSaidWhy, showExit } from '../../../../orchestrator/platforms/exit-reason.ts';

test.each<[number, string | undefined, string]>([
  [0, undefined, 'code 0'],
  [0, 'bye', 'code 0'],
  [1, undefined, 'code 1'],
  [3, 'another disk is there', 'code 3: another disk is there'],
  [134, undefined, 'signal SIGABRT'],
  [137, 'not its reason', 'signal SIGKILL'],
  [139, undefined, 'signal 11'],
  [255, undefined, 'code 255'], // what engines say when they do not know
])('exit code %d with the words %p is shown as %p', (exitCode, words, text) => {
  expect(showExit(exitCode, words)).toBe(text);
});

test('only a process that was not ended by a signal may have said why', () => {
  expect([0, 1, 128, 129, 192, 193, 255].filter(mayHaveSaidWhy)).toEqual([1, 128, 193, 255]);
});
