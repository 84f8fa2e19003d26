import type { KubeNode } from '../../../../../orchestrator/kubernetes/objects.ts';
import { NodeWatch } from '../../../../../orchestrator/platforms/kubernetes/node-watch.ts';
import type { ProbeResult } from '../../../../../orchestrator/platforms/prober.ts';

/** A watch in a world where time passes when it is told to. */
class Watched {
  nowMs = 0;
  nodes: KubeNode[] = [];
  canJudge = true;
  isUsed = true;
  doors: string[] = [];
  readonly asked: string[] = [];
  readonly changes: string[] = [];
  /** How long each host takes to answer; Infinity: it is silent. */
  readonly delays = new Map<string, number>();
  readonly refusing = new Set<string>();
  readonly watch: NodeWatch;
  readonly #pending: { atMs: number; resolve: () => void }[] = [];

  constructor(...names: string[]) {
    this.nodes = names.map((name) => nodeObject(name, 'True'));
    this.watch = new NodeWatch({
      clock: { nowMs: () => this.nowMs },
      nodes: () => this.nodes,
      isUsed: () => this.isUsed,
      doorsOn: () => this.doors.map((host) => ({ host, port: 3261 })),
      canJudge: () => this.canJudge,
      onChange: (node) => this.changes.push(`${this.nowMs} ${node} ${this.isDown(node)}`),
      probe: ({ host, port }, limitMs) => this.#probe(host, port, limitMs),
    });
    this.watch.look();
    this.changes.length = 0;
  }

  isDown(node: string): string {
    return this.watch.downOf(node) === undefined ? 'up' : 'down';
  }

  /** Lets time pass, tick by tick. */
  async pass(forMs: number): Promise<void> {
    const endMs = this.nowMs + forMs;
    while (this.nowMs < endMs) {
      this.nowMs += 100;
      // As the prober has it: what is overdue is told after the timers of this turn.
      this.watch.tick();
      for (const pending of this.#pending.filter(({ atMs }) => atMs <= this.nowMs)) {
        this.#pending.splice(this.#pending.indexOf(pending), 1);
        pending.resolve();
      }
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    }
  }

  #probe(host: string, port: number, limitMs: number): Promise<ProbeResult> {
    this.asked.push(`${host}:${port}`);
    const delayMs = this.delays.get(host) ?? 0;
    const { promise, resolve } = Promise.withResolvers<ProbeResult>();
    const answer = this.refusing.has(host) ? 'refused' : 'open';
    const end = () => resolve(delayMs > limitMs ? 'silent' : answer);
    this.#pending.push({ atMs: this.nowMs + Math.min(delayMs, limitMs), resolve: end });
    return promise;
  }
}

function nodeObject(name: string, status: 'True' | 'False' | 'Unknown'): KubeNode {
  return {
    metadata: { name },
    status: {
      conditions: [{ type: 'Ready', status, message: 'kubelet stopped posting' }],
      addresses: [{ type: 'InternalIP', address: name }],
    },
  };
}

test('a node that answers is asked every 2 s at its kubelet, and nothing else of it', async () => {
  const world = new Watched('n1');
  world.doors = ['pod'];
  await world.pass(20_000);
  expect(world.asked.length).toBeGreaterThanOrEqual(9);
  expect(world.asked.length).toBeLessThanOrEqual(11);
  expect(new Set(world.asked)).toEqual(new Set(['n1:10250']));
  expect(world.changes).toEqual([]);
});

test('a node without anything of ours is not asked', async () => {
  const world = new Watched('n1');
  world.isUsed = false;
  await world.pass(10_000);
  expect(world.asked).toEqual([]);
});

test('a node that falls silent is down within 5 s, and tells since when', async () => {
  const world = new Watched('n1', 'n2');
  await world.pass(10_000);
  world.delays.set('n1', Number.POSITIVE_INFINITY);
  await world.pass(5_000);
  expect(world.changes).toHaveLength(1);
  expect(world.changes[0]).toMatch(/^1[2-5]\d00 n1 down$/);
  const { sinceMs, reason } = world.watch.downOf('n1') ?? { sinceMs: 0, reason: '' };
  expect(sinceMs).toBeGreaterThanOrEqual(10_000);
  expect(reason).toMatch(/^it has not answered for \d\.\d s$/);
  expect(world.watch.unnoticed()).toEqual(['n1']);
});

test('a node that is gone when it is first asked is down within 2.5 s', async () => {
  const world = new Watched('n1');
  world.delays.set('n1', Number.POSITIVE_INFINITY);
  await world.pass(2_600);
  expect(world.isDown('n1')).toBe('down');
});

test('a refusal is an answer', async () => {
  const world = new Watched('n1');
  world.refusing.add('n1');
  await world.pass(10_000);
  expect(world.isDown('n1')).toBe('up');
});

test('one lost answer changes nothing, nor do two', async () => {
  const world = new Watched('n1');
  await world.pass(4_000);
  world.delays.set('n1', Number.POSITIVE_INFINITY);
  for (const asked = world.asked.length; world.asked.length < asked + 1; ) await world.pass(100);
  await world.pass(1_000);
  world.delays.delete('n1');
  await world.pass(6_000);
  expect(world.changes).toEqual([]);
});

test('whoever is held up himself takes no silence for an answer', async () => {
  const world = new Watched('n1');
  await world.pass(4_000);
  world.delays.set('n1', Number.POSITIVE_INFINITY);
  for (let times = 0; times < 20; times += 1) {
    await world.pass(500);
    world.nowMs += 800;
  }
  expect(world.changes).toEqual([]);
  await world.pass(5_000);
  expect(world.isDown('n1')).toBe('down');
});

test('a node whose kubelet is silent is not down while a process of ours answers there', async () => {
  const world = new Watched('n1');
  world.doors = ['pod-a', 'pod-b'];
  world.delays.set('n1', Number.POSITIVE_INFINITY).set('pod-a', Number.POSITIVE_INFINITY);
  await world.pass(20_000);
  expect(world.changes).toEqual([]);
  world.delays.set('pod-b', Number.POSITIVE_INFINITY);
  await world.pass(5_000);
  expect(world.isDown('n1')).toBe('down');
});

test('a node is back after one answer', async () => {
  const world = new Watched('n1');
  world.delays.set('n1', Number.POSITIVE_INFINITY);
  await world.pass(6_000);
  world.delays.delete('n1');
  await world.pass(700);
  expect(world.isDown('n1')).toBe('up');
  expect(world.changes).toHaveLength(2);
});

test('nobody is judged while the API server does not answer', async () => {
  const world = new Watched('n1');
  world.canJudge = false;
  world.delays.set('n1', Number.POSITIVE_INFINITY);
  await world.pass(10_000);
  expect(world.isDown('n1')).toBe('up');
  world.canJudge = true;
  await world.pass(1_000);
  expect(world.isDown('n1')).toBe('down');
});

test('a node is down while Kubernetes says so, whatever it answers', async () => {
  const world = new Watched('n1');
  await world.pass(2_000);
  world.nodes = [nodeObject('n1', 'Unknown')];
  world.watch.look();
  expect(world.watch.downOf('n1')).toEqual({
    sinceMs: 2_000,
    reason: 'Kubernetes has it as not ready: kubelet stopped posting',
  });
  await world.pass(5_000);
  expect(world.isDown('n1')).toBe('down');
  world.nodes = [nodeObject('n1', 'True')];
  world.watch.look();
  expect(world.changes).toEqual(['2000 n1 down', '7000 n1 up']);
});

test('a node that was silent and is not ready needs both to be back', async () => {
  const world = new Watched('n1');
  world.delays.set('n1', Number.POSITIVE_INFINITY);
  await world.pass(5_000);
  world.nodes = [nodeObject('n1', 'Unknown')];
  world.watch.look();
  expect(world.watch.unnoticed()).toEqual([]);
  expect(world.watch.downOf('n1')?.reason).toMatch(/^it has not answered/); // why it went
  world.delays.delete('n1');
  await world.pass(2_000);
  world.nodes = [nodeObject('n1', 'True')];
  world.watch.look();
  expect(world.isDown('n1')).toBe('up');
});

test('a node that is none any more is down, and so is one that never was', () => {
  const world = new Watched('n1');
  world.nodes = [];
  world.watch.look();
  expect(world.watch.downOf('n1')?.reason).toBe('it is no node of the cluster any more');
  expect(world.watch.downOf('n2')?.reason).toBe('it is no node of the cluster any more');
  world.nodes = [nodeObject('n1', 'True')];
  world.watch.look();
  expect(world.isDown('n1')).toBe('up');
});
