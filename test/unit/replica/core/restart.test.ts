import { FLAG, OPCODE } from '../../../../replica/protocol/constants.ts';
import { STAMP } from '../../../../replica/protocol/stamps.ts';
import { CoreHarness, E, replyTo, words } from '../support/core-harness.ts';

const R = 65536;
const HOT_RANGES = [
  { start: 0, end: 2 * E },
  { start: 5 * E, end: 6 * E },
];

const killed = () => new CoreHarness({}, [0, 1, 5]);
const powerLost = () => new CoreHarness({}, [0, 1, 5], 'next boot');

test('restart, is none, when nothing was hot, whatever the machine did', () => {
  expect(new CoreHarness({}, [], 'next boot').welcome(1)).toMatchObject({
    ...{ restart: 'none', tail: [] },
  });
});

test.each([
  ['killed', 'the machine still runs', {}, 'boot'],
  ['killed', 'no controller was ever there before', { bootId: null }, 'boot'],
  ['may-lack-writes', 'the machine started anew', {}, 'next boot'],
  ['may-lack-writes', 'an fdatasync had failed', { mayLackWrites: true }, 'boot'],
] as const)('restart, is %s, when extents were hot and %s', (restart, _case, change, bootId) => {
  const core = new CoreHarness(change, [0, 1, 5], bootId);
  expect(core.welcome(1)).toMatchObject({ restart, tail: HOT_RANGES });
  expect(core.regions.stampsOf(2 * E - R, 2 * E + R)).toEqual([STAMP.UNKNOWN, 0]);
  expect(core.regions.newest(5 * E, 6 * E)).toBe(STAMP.UNKNOWN);
});

test('restart, that may lack writes, is remembered under the new boot id', () => {
  const [persist] = powerLost().hello(1);
  expect(persist).toMatchObject({ metadata: { mayLackWrites: true, bootId: 'next boot' } });
});

test('restart, is not over after a kill because a controller calls something stable', () => {
  const core = killed();
  core.hello(1);
  core.send(1, OPCODE.HEARTBEAT, { stableSeq: 1 });
  expect(core.welcome(2)).toMatchObject({ restart: 'killed', tail: HOT_RANGES });
  core.send(2, OPCODE.CHECKPOINT, { seq: 4 });
  core.settle();
  expect(core.welcome(3)).toMatchObject({ restart: 'none', tail: [] });
});

test('restart, that may lack writes, is over by nothing but a checkpoint, and durably so', () => {
  const core = powerLost();
  core.hello(1);
  core.send(1, OPCODE.MARK, { seq: 3, length: R, flags: FLAG.ASSIGN });
  core.send(1, OPCODE.HEARTBEAT, { stableSeq: 3 });
  expect(core.welcome(2)).toMatchObject({ restart: 'may-lack-writes', tail: HOT_RANGES });
  core.send(2, OPCODE.CHECKPOINT, { seq: 4 });
  expect(words(core.settle())).toEqual(['fdatasync', 'save regions', 'persist', 'reply 58']);
  expect(core.welcome(3)).toMatchObject({ restart: 'none', tail: [] });
  expect(core.hello(4)[1]).toMatchObject({ metadata: { mayLackWrites: false } });
});

test('restart, is not over, when the checkpoint was asked for by a connection that is gone', () => {
  const core = powerLost();
  core.hello(1);
  core.send(1, OPCODE.CHECKPOINT);
  core.endTurn();
  core.hello(2, { epoch: 7, instanceId: 'i7' });
  core.synced();
  expect(words(core.settle())).toEqual(['save regions']);
  expect(core.replica.status.restart).toBe('may-lack-writes');
});

test('extents that were hot at the start, stay so until the restart is over, and no longer', () => {
  const core = killed();
  core.hello(1);
  const beats = () => {
    for (let beat = 0; beat < 6; beat += 1) core.send(1, OPCODE.HEARTBEAT, { stableSeq: 4 });
  };
  beats();
  expect(core.settle()).toEqual([]);
  core.send(1, OPCODE.CHECKPOINT, { seq: 5 });
  core.settle();
  beats();
  expect(words(core.settle())).toEqual(['fdatasync', 'save hot']);
  expect(core.replica.status.hotExtents).toBe(0);
  // That nobody can tell is in the map by now, which outlives the bits.
  expect(core.regions.newest(0, R)).toBe(STAMP.UNKNOWN);
});

test('extents that may lack writes, stay hot through a goodbye', () => {
  const core = powerLost();
  core.hello(1);
  core.send(1, OPCODE.GOODBYE, { seq: 2 });
  expect(core.settle().at(-1)).toEqual(replyTo(OPCODE.GOODBYE_REPLY, 2));
  expect(core.replica.status).toMatchObject({ hotExtents: 3, restart: 'may-lack-writes' });
});
