import {
  type Facts,
  nextAttachStep,
  nextDetachStep,
  type Step,
} from '../../../../orchestrator/docker-driver/core/attach-plan.ts';

const OTHER_DISK: Facts = {
  mount: 'none',
  hasSession: true,
  disk: { bytes: 1000, isOurs: false, isBusy: false },
  content: undefined,
};
const intent = (...done: Step[]) => ({
  ...{ servedBytes: 1000, isFormatting: false },
  done: new Set(done),
});

test('a session with the disk of an earlier volume of this name ends, once', () => {
  expect(nextAttachStep(OTHER_DISK, intent())).toBe('log-out');
  expect(() => nextAttachStep(OTHER_DISK, intent('log-out'))).toThrow(
    /the serial of another volume/,
  );
});

test('a disk of an earlier volume that is in use is left alone', () => {
  const disk = { bytes: 1000, isOurs: false, isBusy: true };
  expect(() => nextAttachStep({ ...OTHER_DISK, disk }, intent())).toThrow(/in use on this host/);
  expect(() => nextDetachStep({ ...OTHER_DISK, disk }, intent())).toThrow(/in use on this host/);
});

test('what is not ours is neither wiped nor released, only logged out from', () => {
  expect(nextDetachStep(OTHER_DISK, { ...intent(), isFormatting: true })).toBe('log-out');
});

test('a session whose disk is not there yet can be ended', () => {
  expect(nextDetachStep({ ...OTHER_DISK, disk: undefined }, intent())).toBe('log-out');
});
