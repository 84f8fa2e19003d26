import { exitCodeOf, Interrupted, UsageError } from '../../../../orchestrator/cli/errors.ts';
import { type ErrorCode, KeelsonError } from '../../../../replica/common/errors.ts';

test.each<[ErrorCode, number]>([
  ['INTERNAL', 1],
  ['IO_FAILED', 1],
  ['INVALID_ARGUMENT', 2],
  ['NOT_FOUND', 3],
  ['ALREADY_EXISTS', 4],
  ['CONFLICT', 4],
  ['FAILED_PRECONDITION', 4],
  ['UNAVAILABLE', 5],
  ['UNAUTHENTICATED', 6],
])('an error with the code %s ends with exit code %d', (code, exitCode) => {
  expect(exitCodeOf(new KeelsonError(code, 'm'))).toBe(exitCode);
});

test('a wrong command line ends with 2, a wait that was ended with 130, a bug with its stack', () => {
  expect(exitCodeOf(new UsageError('m'))).toBe(2);
  expect(exitCodeOf(new Interrupted('m'))).toBe(130);
  expect(exitCodeOf(new TypeError('m'))).toBeUndefined();
});
