import { type Executed, makeTarget, TestInitiator } from '../../../support/initiator-pdus.ts';

const ABORT_TASK = 1;
const ABORT_TASK_SET = 2;
const CLEAR_TASK_SET = 4;
const LOGICAL_UNIT_RESET = 5;
const WARM_RESET = 6;
const COLD_RESET = 7;

function response(initiator: TestInitiator): number {
  const { header } = initiator.only();
  expect(header[0]).toBe(0x22);
  return header[2] as number;
}

function start(initiator: TestInitiator, itt: number): number {
  initiator.send(initiator.command({ read: 512, itt }));
  return (initiator.executed()[0] as Executed).task;
}

function pair(): [TestInitiator, TestInitiator] {
  const target = makeTarget();
  const names = ['InitiatorName=iqn.other', 'TargetName=iqn.2026-01.io.keelson:default.vol1'];
  return [new TestInitiator(target, 1).login(), new TestInitiator(target, 2).loginAs(names)];
}

describe('ABORT TASK', () => {
  test('answers only when the task is done, and the task has no response', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    const task = start(initiator, 50);
    initiator.send(initiator.manage(ABORT_TASK, { referencedTag: 50 }));
    expect(initiator.effects).toEqual([{ kind: 'cancel', task }]);
    initiator.done(task, { dataIn: Buffer.alloc(512), transferBytes: 512 });
    expect(response(initiator)).toBe(0);
  });

  test('answers at once for a write that is still gathering, and drops its data', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.send(initiator.command({ write: 512, itt: 50 }));
    const ttt = initiator.only().header.readUInt32BE(20);
    initiator.send(initiator.manage(ABORT_TASK, { referencedTag: 50 }));
    expect(response(initiator)).toBe(0);
    const late = { itt: 50, ttt, offset: 0, dataSN: 0, data: Buffer.alloc(512) };
    expect(initiator.send(initiator.dataOut(late))).toEqual([]);
  });

  test('cancels once when it is asked twice, and answers both', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    const task = start(initiator, 50);
    initiator.send(initiator.manage(ABORT_TASK, { referencedTag: 50 }));
    initiator.send(initiator.manage(ABORT_TASK, { referencedTag: 50 }));
    expect(initiator.effects).toEqual([]);
    initiator.done(task);
    expect(initiator.sent().map(({ header }) => header[0])).toEqual([0x22, 0x22]);
  });

  test('does not know a task that is over', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    initiator.done(start(initiator, 50));
    initiator.send(initiator.manage(ABORT_TASK, { referencedTag: 50 }));
    expect(response(initiator)).toBe(1);
  });
});

describe('task sets and resets', () => {
  test.each([
    ['ABORT TASK SET', ABORT_TASK_SET],
    ['CLEAR TASK SET', CLEAR_TASK_SET],
  ])('%s ends the tasks of its session, not of others', (_, fn) => {
    const [one, other] = pair();
    const tasks = [start(one, 1), start(one, 2)];
    start(other, 1);
    one.send(one.manage(fn));
    expect(one.effects).toEqual(tasks.map((task) => ({ kind: 'cancel', task })));
    expect(one.done(tasks[0] as number)).toEqual([]);
    one.done(tasks[1] as number);
    expect(response(one)).toBe(0);
  });

  test.each([
    ['LOGICAL UNIT RESET', LOGICAL_UNIT_RESET],
    ['TARGET WARM RESET', WARM_RESET],
  ])('%s ends the tasks of all sessions and then answers', (_, fn) => {
    const [one, other] = pair();
    const tasks = [start(one, 1), start(other, 1)];
    one.send(one.manage(fn));
    expect(one.kinds()).toEqual(['cancel', 'cancel', 'logical-unit-reset']);
    expect(one.done(tasks[1] as number)).toEqual([]);
    one.done(tasks[0] as number);
    expect(response(one)).toBe(0);
    expect(one.target.sessionCount()).toBe(2);
  });

  test('TARGET COLD RESET answers, then closes all connections', () => {
    const [one] = pair();
    one.send(one.manage(COLD_RESET));
    expect(one.kinds()).toEqual([
      'logical-unit-reset',
      'send',
      'nexus-closed',
      'close',
      'nexus-closed',
      'close',
    ]);
    expect(response(one)).toBe(0);
    expect(one.target.sessionCount()).toBe(0);
  });

  test.each([
    ['a unit that does not exist', LOGICAL_UNIT_RESET, 3, 2],
    ['TASK REASSIGN', 8, 0, 4],
    ['CLEAR ACA', 3, 0, 5],
    ['an unknown function', 99, 0, 5],
  ])('%s is refused', (_, fn, lun, expected) => {
    const initiator = new TestInitiator(makeTarget()).login();
    start(initiator, 1);
    initiator.send(initiator.manage(fn, { lun }));
    expect(initiator.kinds()).toEqual(['send']);
    expect(response(initiator)).toBe(expected);
  });

  test('a function whose session is gone is not answered', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    const task = start(initiator, 1);
    initiator.send(initiator.manage(ABORT_TASK_SET));
    initiator.step({ kind: 'closed', connection: 1, nowMs: 0 });
    expect(initiator.done(task)).toEqual([]);
  });

  test('at most 16 functions are under way', () => {
    const initiator = new TestInitiator(makeTarget()).login();
    start(initiator, 1);
    for (let count = 0; count < 16; count += 1) initiator.send(initiator.manage(ABORT_TASK_SET));
    initiator.send(initiator.manage(ABORT_TASK_SET));
    expect(initiator.only().header.toString('hex', 0, 3)).toBe('3f8006');
  });
});

describe('PREEMPT AND ABORT (SPC-4 clause 5.13.11.2.6)', () => {
  test('I15 ends all tasks of the named sessions but the one that asks, and says which had some', () => {
    const [one, other] = pair();
    const tasks = [start(one, 50), start(one, 51)];
    const asking = start(other, 60);
    const beside = start(other, 61);
    const [nexus, own] = [1, 2];
    other.step({ kind: 'abort-tasks', task: asking, nexuses: [nexus, own, 999] });
    expect(other.effects).toEqual([...tasks, beside].map((task) => ({ kind: 'cancel', task })));
    one.done(tasks[0]!);
    one.done(tasks[1]!);
    expect(one.effects).toEqual([]);
    other.done(beside);
    expect(other.effects).toEqual([{ kind: 'tasks-aborted', task: asking, nexuses: [nexus, own] }]);
    other.done(asking);
    expect(other.sent()).toHaveLength(1);
  });

  test('drops writes that are still gathering, and is over at once when nothing else is left', () => {
    const [one, other] = pair();
    one.send(one.command({ write: 512, itt: 50 }));
    const nexus = 1;
    const asking = start(other, 60);
    other.step({ kind: 'abort-tasks', task: asking, nexuses: [nexus] });
    expect(other.effects).toEqual([{ kind: 'tasks-aborted', task: asking, nexuses: [nexus] }]);
  });

  test('of sessions without tasks says that none was lost', () => {
    const [, other] = pair();
    const asking = start(other, 60);
    other.step({ kind: 'abort-tasks', task: asking, nexuses: [1] });
    expect(other.effects).toEqual([{ kind: 'tasks-aborted', task: asking, nexuses: [] }]);
  });

  test('of a session that ends meanwhile is over when its tasks are done', () => {
    const [one, other] = pair();
    const task = start(one, 50);
    const asking = start(other, 60);
    other.step({ kind: 'abort-tasks', task: asking, nexuses: [1] });
    one.step({ kind: 'closed', connection: 1, nowMs: 0 });
    one.done(task);
    expect(one.effects).toEqual([{ kind: 'tasks-aborted', task: asking, nexuses: [1] }]);
  });
});
