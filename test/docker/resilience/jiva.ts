import { untilPortalAnswers } from '../../support/stopwatch.ts';
import type { Scenario } from './scenario.ts';

/** Jiva's scenarios 1 to 4, as the requirements S49 to S52 have them. */
export const JIVA_SCENARIOS: readonly Scenario[] = [
  {
    name: 's49',
    title: 'S49 B1 the controller crashes: another one takes over, and no I/O fails',
    isCore: true,
    stallLimitMs: 25_000,
    async run(stage) {
      const controller = await stage.controller();
      await stage.recoversFrom(async () => {
        const { target } = stage.volume;
        const portalMs = await untilPortalAnswers(target, () => controller.kill());
        stage.figures.portalMs = Math.round(portalMs);
      });
    },
  },
  {
    name: 's50',
    title: 'S50 the node of the controller goes offline: it runs on an available one',
    isCore: true,
    stallLimitMs: 40_000,
    async run(stage) {
      const { installation } = stage;
      const before = await stage.generation();
      const { Config } = await (await stage.controller()).inspect();
      const node = Config.Labels['io.keelson.node'] ?? '';
      await stage.act(() => installation.takeNodeAway(node));
      await stage.until('degraded', ({ health }) => health === 'degraded');
      await stage.volume.whenBusy();
      const moved = await (await stage.controller()).inspect();
      expect(moved.Config.Labels['io.keelson.node']).not.toBe(node);
      await stage.act(() => installation.bringNodeBack(node));
      await stage.recovers(before);
    },
  },
  {
    name: 's51',
    title: 'S51 a replica crashes: it is started on its own node with its data',
    isCore: true,
    stallLimitMs: 5_000,
    async run(stage) {
      for (const node of await stage.nodes()) {
        const replica = await stage.replica(node);
        await stage.recoversFrom(() => replica.kill());
        expect(await stage.replica(node)).toMatchObject({ id: replica.id });
      }
    },
  },
  {
    name: 's52',
    title:
      'S52 the node of a replica goes offline: the others serve, and it is started nowhere else',
    isCore: true,
    stallLimitMs: 40_000,
    async run(stage) {
      const { installation } = stage;
      const before = await stage.generation();
      const controller = await (await stage.controller()).inspect();
      const nodes = (await stage.view()).copies.map((copy) => copy.node);
      const node = nodes.find((name) => name !== controller.Config.Labels['io.keelson.node']) ?? '';
      const startMs = performance.now();
      await stage.act(() => installation.takeNodeAway(node));
      await stage.until('degraded', ({ health }) => health === 'degraded');
      stage.figures.degradedMs = Math.round(performance.now() - startMs);
      await stage.lasts(3_000);
      const { copies } = await stage.view();
      expect(copies.map((copy) => copy.node).sort()).toEqual(nodes.sort());
      await stage.act(() => installation.bringNodeBack(node));
      await stage.recovers(before);
    },
  },
];
