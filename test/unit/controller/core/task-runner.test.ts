import { TaskRunner } from '../../../../controller/core/task-runner.ts';
import type { ScsiOutcome, ScsiPlan, VolumePlan } from '../../../../controller/scsi/plan.ts';
import type { VolumeOperation, VolumeOutcome } from '../../../../controller/volume/operation.ts';
import type { RequestHandle } from '../../../../controller/volume/step.ts';

const OUTCOME: ScsiOutcome = {
  ...{ status: 0, dataIn: Buffer.alloc(0), sense: undefined, transferBytes: 0 },
};
const DONE: ScsiPlan = { kind: 'done', outcome: OUTCOME };
const CDB = Buffer.alloc(16);
const OK: VolumeOutcome = { ok: true };
const FLUSH: VolumeOperation = { kind: 'flush' };
const readAt = (offset: number): VolumeOperation => ({ kind: 'read', offset, length: 4096 });

function make(answerAtOnce = false) {
  const submitted: { request: RequestHandle; operation: VolumeOperation }[] = [];
  const cancelled: RequestHandle[] = [];
  const done: unknown[] = [];
  const released: Buffer[] = [];
  const runner = new TaskRunner({
    submit: (request, operation) => {
      submitted.push({ request, operation });
      if (answerAtOnce) runner.completed(request, OK);
    },
    cancel: (request) => cancelled.push(request),
    done: (task, outcome) => done.push([task, outcome]),
    release: (cdb) => released.push(cdb),
  });
  return { runner, submitted, cancelled, done, released };
}

describe('task runner', () => {
  test('answers a plan that needs no volume at once', () => {
    const { runner, submitted, done } = make();
    runner.run(7, CDB, DONE);
    expect([submitted, done]).toEqual([[], [[7, OUTCOME]]]);
  });

  test('hands a step all its outcomes in the order of its operations', () => {
    const { runner, submitted, done } = make();
    const next = jest.fn((_outcomes: readonly VolumeOutcome[]): ScsiPlan => DONE);
    runner.run(1, CDB, { kind: 'volume', operations: [readAt(0), readAt(4096)], next });
    expect(submitted.map(({ operation }) => operation)).toEqual([readAt(0), readAt(4096)]);
    const failed: VolumeOutcome = { ok: false, reason: 'IO_FAILED' };
    runner.completed(submitted[1]!.request, failed);
    expect(done).toEqual([]);
    runner.completed(submitted[0]!.request, OK);
    expect(next.mock.calls).toEqual([[[OK, failed]]]);
    expect(done).toEqual([[1, OUTCOME]]);
  });

  test('goes on with the next step, and keeps tasks apart', () => {
    const { runner, submitted, done } = make();
    const flush: ScsiPlan = { kind: 'volume', operations: [FLUSH], next: () => DONE };
    runner.run(1, CDB, { kind: 'volume', operations: [readAt(0)], next: () => flush });
    runner.run(2, CDB, flush);
    runner.completed(submitted[1]!.request, OK);
    runner.completed(submitted[0]!.request, OK);
    expect(done).toEqual([[2, OUTCOME]]);
    expect(submitted[2]!.operation).toEqual(FLUSH);
    runner.completed(submitted[2]!.request, OK);
    expect(done).toHaveLength(2);
  });

  test('takes operations that complete while the next is being submitted', () => {
    const { runner, done } = make(true);
    runner.run(1, CDB, { kind: 'volume', operations: [readAt(0), readAt(4096)], next: () => DONE });
    expect(done).toEqual([[1, OUTCOME]]);
  });

  test('cancels only what is still open of that task, and none twice over', () => {
    const { runner, submitted, cancelled } = make();
    runner.run(1, CDB, { kind: 'volume', operations: [readAt(0), FLUSH], next: () => DONE });
    runner.run(2, CDB, { kind: 'volume', operations: [FLUSH], next: () => DONE });
    runner.completed(submitted[0]!.request, OK);
    runner.cancel(1);
    runner.cancel(99);
    expect(cancelled).toEqual([submitted[1]!.request]);
    runner.completed(submitted[1]!.request, OK);
    runner.cancel(1);
    expect(cancelled).toHaveLength(1);
  });

  test('gives the memory of a command back when it succeeded, and never when it failed', () => {
    const { runner, submitted, released } = make();
    const checkCondition: ScsiPlan = { kind: 'done', outcome: { ...OUTCOME, status: 0x02 } };
    runner.run(1, CDB, { kind: 'volume', operations: [FLUSH], next: () => checkCondition });
    runner.completed(submitted[0]!.request, OK);
    expect(released).toEqual([]);
    runner.run(2, CDB, { kind: 'volume', operations: [FLUSH], next: () => DONE });
    expect(released).toEqual([]);
    runner.completed(submitted[1]!.request, OK);
    expect(released).toEqual([CDB]);
  });

  test('stops at an operation that completes twice', () => {
    const { runner, submitted } = make();
    runner.run(1, CDB, { kind: 'volume', operations: [FLUSH, FLUSH], next: () => DONE });
    runner.completed(submitted[0]!.request, OK);
    expect(() => runner.completed(submitted[0]!.request, OK)).toThrow('once');
  });
});

describe('task runner with locked ranges', () => {
  const lock = (start: number, end: number) => [{ start, end }];
  const writeAt = (offset: number): VolumeOperation => ({
    ...{ kind: 'write', offset, data: Buffer.alloc(4096), fua: false },
  });
  const writing = (offset: number): ScsiPlan => ({
    ...{ kind: 'volume', operations: [writeAt(offset)], next: () => DONE },
  });
  /** Reads, then writes, and has the bytes for itself in between. */
  const exchanging = (offset: number): ScsiPlan => ({
    kind: 'volume',
    operations: [readAt(offset)],
    locks: lock(offset, offset + 4096),
    next: ([outcome]) => (outcome?.ok === true ? writing(offset) : DONE),
  });
  const kindsOf = (submitted: readonly { operation: VolumeOperation }[]) =>
    submitted.map(({ operation }) => operation.kind);

  test('a write between the read and the write of a lock waits for its end', () => {
    const { runner, submitted, done } = make();
    runner.run(1, CDB, exchanging(0));
    runner.run(2, CDB, writing(0));
    expect(kindsOf(submitted)).toEqual(['read']);
    runner.completed(submitted[0]!.request, OK);
    expect(kindsOf(submitted)).toEqual(['read', 'write']);
    runner.completed(submitted[1]!.request, OK);
    expect(done).toEqual([[1, OUTCOME]]);
    expect(kindsOf(submitted)).toEqual(['read', 'write', 'write']);
    runner.completed(submitted[2]!.request, OK);
    expect(done).toHaveLength(2);
  });

  test('other bytes, reads and flushes do not wait', () => {
    const { runner, submitted } = make();
    runner.run(1, CDB, exchanging(0));
    runner.run(2, CDB, writing(4096));
    runner.run(3, CDB, { kind: 'volume', operations: [readAt(0), FLUSH], next: () => DONE });
    expect(kindsOf(submitted)).toEqual(['read', 'write', 'read', 'flush']);
  });

  test('a lock waits for a write of its bytes that is under way', () => {
    const { runner, submitted } = make();
    runner.run(1, CDB, writing(0));
    runner.run(2, CDB, exchanging(0));
    runner.run(3, CDB, writing(0));
    expect(kindsOf(submitted)).toEqual(['write']);
    runner.completed(submitted[0]!.request, OK);
    expect(kindsOf(submitted)).toEqual(['write', 'read']);
  });

  test('of two locks of the same bytes the second reads what the first has written', () => {
    const { runner, submitted } = make();
    runner.run(1, CDB, exchanging(0));
    runner.run(2, CDB, exchanging(0));
    for (let at = 0; at < 3; at += 1) {
      expect(submitted).toHaveLength(at + 1);
      runner.completed(submitted[at]!.request, OK);
    }
    expect(kindsOf(submitted)).toEqual(['read', 'write', 'read', 'write']);
  });

  test('a task that is cancelled while it waits is done, and lets the next one go', () => {
    const { runner, submitted, done } = make();
    runner.run(1, CDB, writing(0));
    runner.run(2, CDB, exchanging(0));
    runner.run(3, CDB, writing(0));
    runner.cancel(2);
    expect(done).toEqual([[2, OUTCOME]]);
    expect(kindsOf(submitted)).toEqual(['write', 'write']);
  });

  test('a task that is cancelled between its steps submits nothing more, and gives its lock back', () => {
    const { runner, submitted, cancelled, done } = make();
    runner.run(1, CDB, exchanging(0));
    runner.run(2, CDB, writing(0));
    runner.cancel(1);
    expect(cancelled).toEqual([submitted[0]!.request]);
    expect(kindsOf(submitted)).toEqual(['read']);
    runner.completed(submitted[0]!.request, OK);
    expect(done).toEqual([[1, OUTCOME]]);
    expect(kindsOf(submitted)).toEqual(['read', 'write']);
  });

  test('a step that waits on one of its ranges submits none of its operations', () => {
    const { runner, submitted } = make();
    runner.run(1, CDB, exchanging(8192));
    const operations = [writeAt(0), writeAt(8192)];
    runner.run(2, CDB, { kind: 'volume', operations, next: () => DONE });
    expect(kindsOf(submitted)).toEqual(['read']);
  });
});

describe('task runner with detached work', () => {
  const work: VolumePlan = {
    kind: 'volume',
    operations: [FLUSH],
    locks: [{ start: 0, end: 8192 }],
    next: () => ({ kind: 'volume', operations: [readAt(0)], next: () => DONE }),
  };

  test('goes on behind an answer that was given at once', () => {
    const { runner, submitted, done } = make();
    runner.run(1, CDB, { kind: 'detached', work, answer: OUTCOME });
    expect(done).toEqual([[1, OUTCOME]]);
    runner.completed(submitted[0]!.request, OK);
    runner.completed(submitted[1]!.request, OK);
    expect(done).toHaveLength(1);
  });

  test('answers with its outcome when that is waited for', () => {
    const { runner, submitted, done } = make();
    runner.run(1, CDB, { kind: 'detached', work });
    runner.completed(submitted[0]!.request, OK);
    expect(done).toEqual([]);
    runner.completed(submitted[1]!.request, OK);
    expect(done).toEqual([[1, OUTCOME]]);
  });

  test('goes on when the command that waits for it is cancelled', () => {
    const { runner, submitted, cancelled, done } = make();
    runner.run(1, CDB, { kind: 'detached', work });
    runner.cancel(1);
    expect([done.length, cancelled]).toEqual([1, []]);
    runner.completed(submitted[0]!.request, OK);
    expect(submitted).toHaveLength(2);
    runner.completed(submitted[1]!.request, OK);
    expect(done).toHaveLength(1);
  });
});

test('thousands of commands that want the same bytes go one behind the other, in time', () => {
  const { runner, submitted, done } = make();
  const count = 4000;
  for (let task = 1; task <= count; task += 1) {
    runner.run(task, CDB, {
      ...{ kind: 'volume', operations: [readAt(0)], locks: [{ start: 0, end: 4096 }] },
      next: () => DONE,
    });
  }
  for (let at = 0; at < count; at += 1) {
    expect(submitted.length).toBe(at + 1);
    runner.completed(submitted[at]!.request, OK);
  }
  expect(done.map((entry) => (entry as [number])[0])).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  );
});
