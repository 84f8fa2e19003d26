import { Stage } from '../support/stage.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** Every number of replicas with every number of copies away that leaves one in-sync. */
const AWAY = [0, 1, 2, 3, 4, 5].flatMap((replicas) =>
  Array.from({ length: replicas + 1 }, (_, awayCount) => ({ replicas, awayCount })),
);

function nodesFrom(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `node${first + index}`);
}

function inSyncCount({ copies }: Stage): number {
  return copies.filter((copy) => copy.endsWith('in-sync')).length;
}

describe('S17 S19 the copies of a volume', () => {
  test.each(AWAY)(
    'replicas=$replicas with $awayCount away are waited for, then made anew on other nodes',
    ({ replicas, awayCount }) => {
      const copyCount = replicas + 1;
      const stage = new Stage({ nodeCount: copyCount + awayCount, copyCount });
      const stayed = stage.copies.slice(0, copyCount - awayCount);
      stage.takeDown(...nodesFrom(copyCount - awayCount + 1, awayCount));
      stage.wait(MINUTE_MS - 1);
      stage.settle();
      expect(stage.copies).toHaveLength(copyCount);
      stage.wait(1);
      stage.settle();
      const added = nodesFrom(copyCount + 1, awayCount).map(
        (node, index) => `r${copyCount + 1 + index} ${node}`,
      );
      expect(stage.copies.slice(copyCount)).toEqual(added.map((copy) => `${copy} syncing`));
      stage.finish(...added.map((copy) => copy.split(' ')[0] ?? ''));
      stage.settle();
      expect(stage.copies).toEqual([...stayed, ...added.map((copy) => `${copy} in-sync`)]);
    },
  );

  test.each(AWAY.filter(({ awayCount }) => awayCount > 0))(
    'replicas=$replicas with $awayCount away stay as they are while no other node is there',
    ({ replicas, awayCount }) => {
      const copyCount = replicas + 1;
      const stage = new Stage({ nodeCount: copyCount, copyCount });
      stage.takeDown(...nodesFrom(copyCount - awayCount + 1, awayCount));
      stage.wait(MINUTE_MS);
      const { notes, wakeAtMs } = stage.settle();
      expect(stage.copies).toHaveLength(copyCount);
      expect(notes).toContain(`no available node for another copy, ${copyCount} are wanted`);
      expect(wakeAtMs).toBe(stage.nowMs + SECOND_MS);
      stage.bringBack(...nodesFrom(1, copyCount));
      expect(stage.settle().notes).toEqual([]);
    },
  );

  test.each([0, 1, 2, 3, 4, 5])('replicas=%i become each other number', (from) => {
    for (let to = 0; to <= 5; to += 1) {
      const stage = new Stage({ nodeCount: 6, copyCount: from + 1 });
      const before = stage.copies;
      stage.setReplicas(to);
      stage.settle();
      expect(stage.copies).toHaveLength(to + 1);
      // Those that stay are the oldest, and nothing of the others is left.
      const kept = Math.min(from, to) + 1;
      expect(stage.copies.slice(0, kept)).toEqual(before.slice(0, kept));
      expect([stage.remains, stage.running]).toEqual([
        [],
        ['controller', ...stage.copies.map((copy) => copy.split(' ')[0])],
      ]);
    }
  });

  test('cost no look around while all is well', () => {
    const { actions, wakeAtMs, notes, needsStatus } = new Stage({
      nodeCount: 4,
      copyCount: 3,
    }).plan();
    expect({ actions, wakeAtMs, notes, needsStatus }).toEqual({
      actions: [],
      notes: [],
      needsStatus: false,
    });
  });

  test('need no look around while a sync runs and nothing is too many', () => {
    const stage = new Stage({ nodeCount: 3, copyCount: 1 });
    stage.setReplicas(2);
    const { wakeAtMs, needsStatus } = stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 syncing', 'r3 node3 syncing']);
    expect([wakeAtMs, needsStatus]).toEqual([undefined, false]);
  });
});

describe('S38 a copy whose node was away for the wait, r2, and the one made for it, r3,', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage({ nodeCount: 4, copyCount: 2 });
    stage.takeDown('node2');
    stage.settle();
    stage.wait(MINUTE_MS);
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 stale', 'r3 node3 syncing']);
  });

  test('both stay while the old one is still away', () => {
    stage.remainingBytes.set('r3', 900);
    stage.wait(10 * MINUTE_MS);
    const { needsStatus, wakeAtMs } = stage.settle();
    expect(stage.copies).toHaveLength(3);
    expect([needsStatus, wakeAtMs]).toEqual([false, stage.nowMs + SECOND_MS]);
  });

  test('the new one takes over when the old one never comes, and the old one is erased when it does', () => {
    stage.finish('r3');
    stage.settle();
    expect([stage.copies, stage.remains]).toEqual([
      ['r1 node1 in-sync', 'r3 node3 in-sync'],
      ['r2 node2'],
    ]);
    expect(stage.settle().wakeAtMs).toBe(stage.nowMs + SECOND_MS);
    stage.bringBack('node2');
    stage.settle();
    expect([stage.remains, stage.running]).toEqual([[], ['controller', 'r1', 'r3']]);
    expect(stage.plan().wakeAtMs).toBeUndefined();
  });

  test('the new one goes when the old one is back with less to move', () => {
    stage.bringBack('node2');
    stage.remainingBytes.set('r2', 100).set('r3', 900);
    stage.settle();
    expect([stage.copies, stage.remains]).toEqual([['r1 node1 in-sync', 'r2 node2 syncing'], []]);
    expect(stage.running).toEqual(['controller', 'r1', 'r2']);
  });

  test('the old one goes when it is back with more to move', () => {
    stage.bringBack('node2');
    stage.remainingBytes.set('r2', 901).set('r3', 900);
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r3 node3 syncing']);
  });

  test('the newer one goes when both have the same to move', () => {
    stage.bringBack('node2');
    stage.remainingBytes.set('r2', 900).set('r3', 900);
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 syncing']);
  });

  test.each(['r2', 'r3'])('both stay until what %s has to move is known', (replicaId) => {
    stage.bringBack('node2');
    stage.remainingBytes.set('r2', 100).set('r3', 900).delete(replicaId);
    const { needsStatus, wakeAtMs } = stage.settle();
    expect(stage.copies).toHaveLength(3);
    expect([needsStatus, wakeAtMs]).toEqual([true, stage.nowMs + SECOND_MS]);
  });

  test('the old one goes when it is back after the new one is in-sync', () => {
    stage.bringBack('node2');
    stage.remainingBytes.set('r2', 1);
    stage.finish('r3');
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r3 node3 in-sync']);
  });

  test('no third one is made when the old one comes and goes', () => {
    stage.remainingBytes.set('r3', 900);
    for (let count = 0; count < 5; count += 1) {
      stage.bringBack('node2');
      stage.settle();
      stage.takeDown('node2');
      stage.wait(MINUTE_MS);
      stage.settle();
    }
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 syncing', 'r3 node3 syncing']);
  });

  test('another one is made when the node of the new one is away as well', () => {
    stage.takeDown('node3');
    stage.wait(MINUTE_MS);
    stage.settle();
    expect(stage.copies.slice(2)).toEqual(['r3 node3 syncing', 'r4 node4 syncing']);
    stage.bringBack('node2', 'node3');
    stage.remainingBytes.set('r2', 10).set('r3', 500).set('r4', 900);
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 syncing']);
  });

  test('nothing is decided twice when the orchestrator restarts in the middle', () => {
    stage.restartOrchestrator();
    stage.settle();
    expect(stage.copies).toHaveLength(3);
    stage.wait(10 * MINUTE_MS);
    stage.settle();
    expect(stage.copies).toHaveLength(3);
    stage.finish('r3');
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r3 node3 in-sync']);
  });
});

describe('S39 S40 a former primary, r1,', () => {
  test('is replaced like any other copy, and leaves when it is back with more to move', () => {
    const stage = new Stage({ nodeCount: 4, copyCount: 3 });
    stage.takeDown('node1');
    stage.wait(MINUTE_MS);
    stage.settle();
    expect(stage.copies).toContain('r4 node4 syncing');
    stage.bringBack('node1');
    stage.remainingBytes.set('r1', 900).set('r4', 100);
    stage.settle();
    expect(stage.copies).toEqual(['r2 node2 in-sync', 'r3 node3 in-sync', 'r4 node4 syncing']);
    expect(stage.remains).toEqual([]);
  });
});

describe('I12 the last in-sync copy', () => {
  test('stays on its node, however long that is away', () => {
    const stage = new Stage({ nodeCount: 5, copyCount: 2 });
    stage.takeDown('node2');
    stage.settle();
    stage.takeDown('node1');
    stage.wait(10 * MINUTE_MS);
    stage.settle();
    expect(stage.copies.filter((copy) => copy.endsWith('in-sync'))).toEqual(['r1 node1 in-sync']);
    stage.setReplicas(0);
    stage.settle();
    expect(stage.copies).toContain('r1 node1 in-sync');
  });

  test('stays when the others are lost while it was to leave', () => {
    const stage = new Stage({ nodeCount: 3, copyCount: 3 });
    stage.setReplicas(1);
    const [edit] = stage.plan().actions;
    expect(edit).toEqual({ kind: 'set-leaving', replicaIds: ['r3'] });
    stage.record = { ...stage.record, leaving: ['r3'] };
    stage.takeDown('node1', 'node2');
    stage.settle();
    expect(inSyncCount(stage)).toBe(1);
    expect(stage.record.leaving).toEqual([]);
    expect(stage.running).toContain('r3');
  });
});

describe('a node', () => {
  test('that is cordoned keeps its copies and gets no new ones', () => {
    const stage = new Stage({ nodeCount: 3, copyCount: 1 });
    stage.cordoned.add('node1').add('node2');
    stage.setReplicas(1);
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node3 syncing']);
  });

  test('that is down gets no process, until it is back', () => {
    const stage = new Stage({ nodeCount: 3, copyCount: 3 });
    stage.takeDown('node2');
    const { notes, wakeAtMs } = stage.settle();
    expect(wakeAtMs).toBe(stage.nowMs + SECOND_MS);
    expect(stage.running).toEqual(['controller', 'r1', 'r3']);
    expect(notes).toEqual(['copy r2 waits for node2, which is down: unmounted']);
    stage.bringBack('node2');
    stage.settle();
    expect(stage.running).toEqual(['controller', 'r1', 'r2', 'r3']);
  });

  test('that is down gets the copy that is missing as soon as it is seen to be back', () => {
    const stage = new Stage({ nodeCount: 3, copyCount: 1 });
    stage.takeDown('node3');
    stage.setReplicas(2);
    const { wakeAtMs } = stage.settle();
    expect([stage.copies.length, wakeAtMs]).toEqual([2, stage.nowMs + SECOND_MS]);
    stage.bringBack('node3');
    stage.settle();
    expect(stage.copies).toHaveLength(3);
  });

  test('gets a new copy of a volume only when the remains of an earlier one are erased', () => {
    const stage = new Stage({ nodeCount: 2, copyCount: 2 });
    const removed = [{ replicaId: 'r9', node: 'node2' }];
    stage.record = { ...stage.record, removed };
    stage.restartOrchestrator();
    const actions = stage.plan().actions.map((action) => action.kind);
    expect(actions).toEqual(['erase-copy', 'start', 'start']);
    stage.settle();
    expect(stage.running).toEqual(['controller', 'r1', 'r2']);
  });

  test('is no place for a new copy while the remains of an earlier one lie there', () => {
    const stage = new Stage({ nodeCount: 2, copyCount: 1 });
    stage.setReplicas(1);
    stage.record = { ...stage.record, removed: [{ replicaId: 'r9', node: 'node2' }] };
    expect(stage.plan().actions.map(({ kind }) => kind)).toEqual(['erase-copy']);
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 syncing']);
  });
});

test('a copy whose process does not stay up is replaced after the wait, and pushes none out', () => {
  const stage = new Stage({ nodeCount: 3, copyCount: 2 });
  stage.fail('r2', 'down');
  stage.settle();
  stage.wait(MINUTE_MS);
  stage.settle();
  expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 stale', 'r3 node3 syncing']);
  stage.fail('r2', 'ready');
  stage.remainingBytes.set('r2', 1).set('r3', 900);
  stage.settle();
  expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 syncing', 'r3 node3 syncing']);
});

test('the newest copies leave, in whatever order the record lists them', () => {
  const stage = new Stage({ nodeCount: 3, copyCount: 3 });
  const { membership } = stage.record;
  const copies = Object.fromEntries(Object.entries(membership.copies).reverse());
  stage.record = { ...stage.record, membership: { ...membership, copies } };
  stage.setReplicas(0);
  stage.settle();
  expect(stage.copies).toEqual(['r1 node1 in-sync']);
});

test('no more copies are added than a record may list', () => {
  const stage = new Stage({ nodeCount: 16, copyCount: 6 });
  for (const nodes of [nodesFrom(2, 5), nodesFrom(7, 5)]) {
    stage.takeDown(...nodes);
    stage.settle();
    stage.wait(MINUTE_MS);
    stage.settle();
  }
  expect(stage.copies).toHaveLength(12);
});

describe('a node that is drained', () => {
  test('keeps its copy until another one is in-sync', () => {
    const stage = new Stage({ nodeCount: 4, copyCount: 3 });
    stage.draining.add('node2');
    stage.settle();
    expect(stage.copies).toEqual([
      'r1 node1 in-sync',
      'r2 node2 in-sync',
      'r3 node3 in-sync',
      'r4 node4 syncing',
    ]);
    stage.finish('r4');
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r3 node3 in-sync', 'r4 node4 in-sync']);
    expect(stage.remains).toEqual([]);
  });

  test('keeps its copy when no other node is there, and says so', () => {
    const stage = new Stage({ nodeCount: 3, copyCount: 3 });
    stage.draining.add('node2');
    expect(stage.settle().notes).toContain('no available node for another copy, 3 are wanted');
    expect(stage.copies).toContain('r2 node2 in-sync');
    stage.draining.delete('node2');
    expect(stage.settle().notes).toEqual([]);
  });

  test('keeps the only copy until its successor is in-sync (I12)', () => {
    const stage = new Stage({ nodeCount: 2, copyCount: 1 });
    stage.draining.add('node1');
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r2 node2 syncing']);
    stage.takeDown('node2');
    stage.wait(MINUTE_MS);
    stage.settle();
    expect(stage.copies).toContain('r1 node1 in-sync');
    stage.bringBack('node2');
    stage.settle();
    stage.finish('r2');
    stage.settle();
    expect(stage.copies).toEqual(['r2 node2 in-sync']);
  });

  test('gives up a copy that is not in-sync for one on another node, whichever is nearer', () => {
    const stage = new Stage({ nodeCount: 4, copyCount: 3 });
    stage.takeDown('node2');
    stage.settle();
    stage.bringBack('node2');
    stage.settle();
    expect(stage.copies).toContain('r2 node2 syncing');
    stage.remainingBytes.set('r2', 1);
    stage.draining.add('node2');
    stage.settle();
    expect(stage.copies).toEqual(['r1 node1 in-sync', 'r3 node3 in-sync', 'r4 node4 syncing']);
  });
});
