import {
  QUEUE_DEPTH,
  READ_BYTES,
  READ_BYTES_PER_ADDRESS,
} from '../../../../controller/iscsi/limits.ts';
import type { IscsiTarget } from '../../../../controller/iscsi/target.ts';
import { makeTarget, TARGET_NAME, TestInitiator } from '../../../support/initiator-pdus.ts';

const MIB = 1024 * 1024;
const LARGEST = 4 * MIB;

function reader(target: IscsiTarget, id: number, address: string): TestInitiator {
  const names = [`InitiatorName=iqn.r${id}`, `TargetName=${TARGET_NAME}`];
  return new TestInitiator(target, id, { peer: `${address}:1` }).loginAs(names);
}

/** Sends reads; returns the tasks of those that began. */
function read(initiator: TestInitiator, count: number, bytes: number): number[] {
  const tasks: number[] = [];
  for (let sent = 0; sent < count; sent += 1) {
    initiator.send(initiator.command({ read: bytes }));
    tasks.push(...began(initiator));
  }
  return tasks;
}

function began(initiator: TestInitiator): number[] {
  return initiator.executed().map(({ task }) => task);
}

function congest(initiator: TestInitiator, isCongested: boolean): void {
  initiator.step({ kind: 'congestion', connection: initiator.connection, isCongested });
}

describe('data of reads', () => {
  test('of one session has room for a full window of 1 MiB each', () => {
    expect(read(reader(makeTarget(), 1, '10.0.0.1'), QUEUE_DEPTH, MIB)).toHaveLength(QUEUE_DEPTH);
  });

  test('beyond the room of its address waits, in order, until others are done', () => {
    const initiator = reader(makeTarget(), 1, '10.0.0.1');
    const fits = READ_BYTES_PER_ADDRESS / LARGEST;
    const tasks = read(initiator, fits + 3, LARGEST);
    expect(tasks).toHaveLength(fits);
    // A smaller one does not overtake those that wait; one without data does.
    expect(read(initiator, 1, 512)).toEqual([]);
    expect(read(initiator, 1, 0)).toHaveLength(1);
    initiator.done(tasks[0] as number);
    expect(began(initiator)).toEqual([fits + 1]);
    initiator.done(tasks[1] as number);
    initiator.done(tasks[2] as number);
    initiator.done(tasks[3] as number);
    expect(began(initiator)).toEqual([fits + 4]);
  });

  test('of a greedy address leaves room for another', () => {
    const target = makeTarget();
    for (let id = 1; id <= 4; id += 1) read(reader(target, id, '10.0.0.1'), 100, LARGEST);
    expect(read(reader(target, 9, '10.0.0.9'), QUEUE_DEPTH, MIB)).toHaveLength(QUEUE_DEPTH);
  });

  test('of all together is bounded, and a session that ends makes room for others', () => {
    const target = makeTarget();
    const full = READ_BYTES / READ_BYTES_PER_ADDRESS;
    const greedy = Array.from({ length: full }, (_, index) =>
      reader(target, 1 + index, `10.0.0.${index}`),
    );
    const tasks = greedy.map((initiator) => read(initiator, QUEUE_DEPTH, LARGEST));
    const late = reader(target, 99, '10.9.9.9');
    expect(read(late, 1, LARGEST)).toEqual([]);
    const [first] = greedy as [TestInitiator];
    first.step({ kind: 'closed', connection: 1, nowMs: 0 });
    expect(began(first)).toEqual([]);
    first.done(tasks[0]?.[0] as number);
    expect(first.executed().map(({ nexus }) => nexus)).toEqual([full + 1]);
  });

  test('is not read while its initiator does not take what there is', () => {
    const target = makeTarget();
    const initiator = reader(target, 1, '10.0.0.1');
    congest(initiator, true);
    expect(read(initiator, 2, LARGEST)).toEqual([]);
    expect(read(reader(target, 2, '10.0.0.1'), 1, LARGEST)).toHaveLength(1);
    congest(initiator, false);
    expect(began(initiator)).toHaveLength(2);
  });

  test('that waits is never read once it was aborted, by itself or with its session', () => {
    const initiator = reader(makeTarget(), 1, '10.0.0.1');
    congest(initiator, true);
    initiator.send(initiator.command({ read: LARGEST, itt: 1 }));
    initiator.send(initiator.command({ read: LARGEST, itt: 2 }));
    initiator.send(initiator.manage(1, { referencedTag: 1 }));
    expect(initiator.kinds()).toEqual(['send']);
    expect(initiator.only().header[2]).toBe(0);
    congest(initiator, false);
    expect(began(initiator)).toHaveLength(1);
    congest(initiator, true);
    initiator.send(initiator.command({ read: LARGEST, itt: 3 }));
    initiator.step({ kind: 'closed', connection: 1, nowMs: 0 });
    expect(initiator.kinds()).toEqual(['cancel', 'nexus-closed']);
  });

  test('gives its room back however it ends', () => {
    const target = makeTarget();
    for (let id = 1; id <= (2 * READ_BYTES) / LARGEST; id += 1) {
      const initiator = reader(target, id, '10.0.0.1');
      const [done, cut] = read(initiator, 2, LARGEST);
      initiator.done(done as number);
      initiator.step({ kind: 'closed', connection: id, nowMs: 0 });
      initiator.done(cut as number);
    }
  });
});
