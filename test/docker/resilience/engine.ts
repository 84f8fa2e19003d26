import type { Scenario, Stage } from './scenario.ts';

const AWAY_MS = 2_000;

/** kill -9 of what containers depend on: the orchestrator, dockerd, a whole node. */
export const ENGINE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'kill-orchestrator',
    title: 'kill -9 of the orchestrator: I/O is not touched, nor any container',
    isCore: true,
    stallLimitMs: 2_000,
    async run(stage) {
      const { installation } = stage;
      const running = await runningIds(stage);
      const before = await stage.generation();
      await installation.killOrchestrator();
      await stage.lasts(AWAY_MS);
      await stage.volume.whenBusy();
      await stage.act(() => installation.start());
      await stage.recovers(before - 1);
      expect(await stage.generation()).toBe(before);
      expect(await runningIds(stage)).toEqual(running);
    },
  },
  {
    name: 'kill-dockerd',
    title: 'kill -9 of dockerd: I/O is not touched, and what ends meanwhile is started afterwards',
    isCore: true,
    stallLimitMs: 60_000,
    async run(stage) {
      const { installation } = stage;
      const [, node = ''] = await stage.nodes();
      const replica = await (await stage.replica(node)).inspect();
      const controller = await (await stage.controller()).inspect();
      const before = await stage.generation();
      await installation.dockerd.kill9();
      await stage.lasts(AWAY_MS);
      await stage.volume.whenBusy();
      stage.figures.stallWithoutDockerdMs = Math.round(stage.volume.longestStallMs);
      for (const { Pid } of [replica.State, controller.State]) {
        await installation.dockerd.inside('kill', ['-9', String(Pid)]);
      }
      await stage.act(() => installation.startDockerd());
      await stage.recovers(before);
    },
  },
  {
    name: 'lost-node',
    title: 'S17 S19 S20 a node is lost: degraded at once, a new copy elsewhere, healthy by itself',
    isCore: true,
    replaceAfterSeconds: 2,
    stallLimitMs: 40_000,
    async run(stage) {
      const { installation } = stage;
      const before = await stage.generation();
      const controller = await (await stage.controller()).inspect();
      const node = controller.Config.Labels['io.keelson.node'] ?? '';
      await stage.timed('degradedMs', async () => {
        await stage.act(() => installation.takeNodeAway(node));
        await stage.until('degraded', ({ health }) => health === 'degraded');
      });
      const startMs = performance.now();
      await stage.until('a replacement syncs', ({ copies }) =>
        copies.some((copy) => copy.node !== node && copy.state === 'syncing'),
      );
      stage.figures.replacementMs = Math.round(performance.now() - startMs);
      await stage.recovers(before);
      const { copies } = await stage.view();
      expect(copies.map((copy) => copy.node)).not.toContain(node);
      await installation.bringNodeBack(node);
      const directory = installation.copyDirectoryOf(await stage.view(), node);
      await stage.untilGone(directory);
    },
  },
];

async function runningIds({ installation, volume }: Stage): Promise<string[]> {
  const found = await installation.containers(volume.name);
  return found
    .filter(({ State }) => State === 'running')
    .map(({ Id }) => Id)
    .sort();
}
