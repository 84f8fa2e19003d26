import { Leases } from '../../../../replica/core/leases.ts';
import { OPCODE } from '../../../../replica/protocol/constants.ts';
import { MAX_LEASES } from '../../../../replica/protocol/hello.ts';
import { CoreHarness, replyTo } from '../support/core-harness.ts';

const NEXT = { epoch: 7, instanceId: 'i7' };

test('lease, is granted by a heartbeat for the time asked for, and reported to the next controller', () => {
  const core = new CoreHarness();
  core.hello(1);
  core.nowMs = 1000;
  const answer = core.send(1, OPCODE.HEARTBEAT, { length: 5000 });
  expect(answer).toEqual([replyTo(OPCODE.HEARTBEAT_REPLY)]);
  core.nowMs = 2000.5;
  core.send(1, OPCODE.HEARTBEAT, { length: 0 }); // asks for none and takes none away
  expect(core.welcome(2, NEXT).leases).toEqual([{ instanceId: 'i6', remainingMs: 4000 }]);
});

test('lease, is not reported to its own holder, nor once it is over', () => {
  const core = new CoreHarness();
  core.hello(1);
  core.send(1, OPCODE.HEARTBEAT, { length: 5000 });
  expect(core.welcome(2).leases).toEqual([]);
  core.nowMs = 5000;
  expect(core.welcome(3, NEXT).leases).toEqual([]);
});

test('lease, is granted no more to a controller that was replaced', () => {
  const core = new CoreHarness();
  core.hello(1);
  core.send(1, OPCODE.HEARTBEAT, { length: 5000 });
  core.nowMs = 4000;
  core.hello(2, NEXT);
  expect(core.send(1, OPCODE.HEARTBEAT, { length: 5000 })).toEqual([]);
  const { leases } = core.welcome(3, { epoch: 8, instanceId: 'i8' });
  expect(leases).toEqual([{ instanceId: 'i6', remainingMs: 1000 }]);
});

test('lease, counts from the first event of a process that does not remember it', () => {
  const core = new CoreHarness({ leaseHolders: ['i4', 'i5'] });
  core.nowMs = 77_000;
  expect(core.welcome(1).leases).toHaveLength(2);
  core.nowMs += 5999;
  expect(core.welcome(2).leases).toContainEqual({ instanceId: 'i4', remainingMs: 1 });
  core.nowMs += 1;
  expect(core.welcome(3).leases).toEqual([]);
});

test('lease, is never longer than what a restarted process would report', () => {
  const leases = new Leases([], 300);
  leases.grant('i1', 5000, 0);
  expect(leases.runningBeside('i2', 0)).toEqual([{ instanceId: 'i1', remainingMs: 300 }]);
  leases.grant('i1', 100, 100); // does not shorten what was promised
  expect(leases.runningBeside('i2', 250)).toEqual([{ instanceId: 'i1', remainingMs: 50 }]);
});

test('lease, ends with a goodbye, durably', () => {
  const core = new CoreHarness({ leaseHolders: ['i4'] });
  core.hello(1);
  core.send(1, OPCODE.HEARTBEAT, { length: 5000 });
  core.send(1, OPCODE.GOODBYE);
  expect(core.settle()).toContainEqual({
    kind: 'persist',
    metadata: expect.objectContaining({ leaseHolders: ['i4'] }),
  });
  const { leases } = core.welcome(2, NEXT);
  expect(leases.map(({ instanceId }) => instanceId)).toEqual(['i4']);
});

test('hello, is refused, while more controllers may read than can be reported', () => {
  const leaseHolders = Array.from({ length: MAX_LEASES }, (_, index) => `old${index}`);
  const core = new CoreHarness({ leaseHolders });
  expect(core.hello(1)).toMatchObject([{ kind: 'refuse', refusal: { code: 'UNAVAILABLE' } }]);
  core.nowMs = 6000;
  expect(core.welcome(1).leases).toEqual([]);
});
