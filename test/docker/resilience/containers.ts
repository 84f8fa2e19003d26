import { messageOf } from '../../../replica/common/errors.ts';
import type { Scenario, Stage } from './scenario.ts';

/** Longer than the silence of 3 s after which a copy counts as lost. */
const LONG_MS = 6_000;
const SHORT_MS = 1_000;

const AGAIN_COUNT = 6;
const AGAIN_EVERY_MS = 1_500;

/** What `docker kill`, `stop`, `pause` and `network disconnect` do to single containers. */
export const CONTAINER_SCENARIOS: readonly Scenario[] = [
  {
    name: 'stop-controller',
    title: 'B1 docker stop of the controller: another one takes over',
    stallLimitMs: 25_000,
    async run(stage) {
      const controller = await stage.controller();
      await stage.recoversFrom(() => controller.stop());
    },
  },
  {
    name: 'kill-holder',
    title: 'what holds the address of the controller is killed: both are made anew',
    isCore: true,
    stallLimitMs: 25_000,
    async run(stage) {
      const holder = await stage.holder();
      await stage.recoversFrom(() => holder.kill());
      const controller = await stage.controller();
      // At once, so that neither finds the other.
      await stage.recoversFrom(() =>
        Promise.all([stage.holder().then((again) => again.kill()), controller.kill()]),
      );
    },
  },
  {
    name: 'stop-replicas',
    title: 'docker stop of each replica: it is started again on its own node',
    stallLimitMs: 5_000,
    async run(stage) {
      for (const node of await stage.nodes()) {
        const replica = await stage.replica(node);
        await stage.recoversFrom(() => replica.stop());
      }
    },
  },
  {
    name: 'stop-all-replicas',
    title: 'docker stop of three of three replicas at once: I/O waits for them',
    stallLimitMs: 20_000,
    async run(stage) {
      const replicas = await Promise.all((await stage.nodes()).map((node) => stage.replica(node)));
      await stage.recoversFrom(() => Promise.all(replicas.map((replica) => replica.stop())));
    },
  },
  {
    name: 'pause-replica-short',
    title: 'a replica is paused for a moment: I/O waits, and no copy is lost',
    stallLimitMs: 10 * SHORT_MS,
    async run(stage) {
      const [node = ''] = await stage.nodes();
      const before = await stage.generation();
      const replica = await stage.replica(node);
      await replica.pause();
      await stage.lasts(SHORT_MS);
      await stage.act(() => replica.unpause());
      await stage.volume.whenBusy();
      await stage.recovers(before - 1);
      expect(await stage.generation()).toBe(before);
    },
  },
  {
    name: 'pause-replicas',
    title: 'each replica is paused until it counts as lost: the others serve, and it comes back',
    stallLimitMs: 35_000,
    async run(stage) {
      for (const node of await stage.nodes()) {
        const before = await stage.generation();
        const replica = await stage.replica(node);
        await replica.pause();
        await stage.lasts(LONG_MS);
        expect((await stage.view()).health).toBe('degraded');
        await stage.act(() => replica.unpause());
        await stage.recovers(before);
      }
    },
  },
  {
    name: 'pause-controller',
    title: 'the controller is paused: I/O goes on with it',
    stallLimitMs: 60_000,
    async run(stage) {
      const before = await stage.generation();
      const controller = await stage.controller();
      await controller.pause();
      await stage.lasts(LONG_MS);
      await stage.act(() => controller.unpause());
      await stage.volume.whenBusy();
      await stage.recovers(before - 1);
      expect(await stage.controller()).toMatchObject({ id: controller.id });
    },
  },
  {
    name: 'disconnect-replica',
    title: 'a replica is disconnected from its network and connected again: it comes back',
    isCore: true,
    stallLimitMs: 35_000,
    async run(stage) {
      const [primary = '', other = ''] = await stage.nodes();
      for (const node of [other, primary]) {
        const before = await stage.generation();
        const replica = await stage.replica(node);
        await disconnect(stage, replica.id);
        await stage.recovers(before);
      }
    },
  },
  {
    name: 'disconnect-by-hand',
    title: 'a replica is connected again without its address: it is put back within a minute',
    stallLimitMs: 35_000,
    async run(stage) {
      const [, node = ''] = await stage.nodes();
      const before = await stage.generation();
      const { id } = await stage.replica(node);
      const { network } = await networkOf(stage, id);
      await network.disconnect({ Container: id, Force: true });
      await stage.until('the copy is lost', ({ health }) => health === 'degraded');
      await stage.act(() => network.connect({ Container: id }));
      await stage.recovers(before);
      expect((await stage.replica(node)).id).toBe(id);
    },
  },
  {
    name: 'disconnect-controller',
    title: 'the controller is disconnected from its network and connected again: I/O goes on',
    stallLimitMs: 60_000,
    async run(stage) {
      const before = await stage.generation();
      const { id } = await stage.holder();
      await disconnect(stage, id);
      await stage.volume.whenBusy();
      await stage.recovers(before - 1);
    },
  },
  {
    name: 'replica-then-controller',
    title: 'a replica is killed, and then the controller',
    stallLimitMs: 25_000,
    async run(stage) {
      const [primary = '', other = ''] = await stage.nodes();
      for (const node of [primary, other]) {
        const [replica, controller] = await Promise.all([stage.replica(node), stage.controller()]);
        await stage.recoversFrom(async () => {
          await replica.kill();
          await controller.kill();
        });
      }
    },
  },
  {
    name: 'controller-then-replica',
    title: 'the controller is killed, and then a replica',
    stallLimitMs: 25_000,
    async run(stage) {
      const [primary = '', other = ''] = await stage.nodes();
      for (const node of [primary, other]) {
        const [replica, controller] = await Promise.all([stage.replica(node), stage.controller()]);
        await stage.recoversFrom(async () => {
          await controller.kill();
          await replica.kill();
        });
      }
    },
  },
  {
    name: 'everything-at-once',
    title: 'B1 the controller and all replicas are killed at once',
    isCore: true,
    stallLimitMs: 40_000,
    async run(stage) {
      const replicas = await Promise.all((await stage.nodes()).map((node) => stage.replica(node)));
      const containers = [await stage.controller(), ...replicas];
      await stage.recoversFrom(() => Promise.all(containers.map((container) => container.kill())));
    },
  },
  {
    name: 'docker-restart',
    title: 'docker restart of a replica, the controller and its holder: nobody is started twice',
    stallLimitMs: 25_000,
    async run(stage) {
      const [node = ''] = await stage.nodes();
      const replica = await stage.replica(node);
      await stage.recoversFrom(() => replica.restart());
      const controller = await stage.controller();
      // It may find its port taken by the one that the orchestrator started meanwhile.
      await stage.recoversFrom(() => controller.restart().catch(() => undefined));
      const holder = await stage.holder();
      // It may be removed under it.
      await stage.recoversFrom(() => holder.restart().catch(() => undefined));
      expect(await stage.running('holder')).toHaveLength(1);
      expect(await stage.running('controller')).toHaveLength(1);
      expect(await stage.running('replica')).toHaveLength(3);
    },
  },
  {
    name: 'docker-rm',
    title: 'docker rm of all containers of a volume, one after the other: they are made anew',
    stallLimitMs: 35_000,
    async run(stage) {
      for (const { Id } of await stage.installation.containers(stage.volume.name)) {
        const wasRunning = (await stage.container(Id).inspect()).State.Running;
        const remove = () => stage.container(Id).remove({ force: true });
        if (wasRunning) await stage.recoversFrom(remove);
        else await remove();
      }
      const controller = await stage.controller();
      await stage.recoversFrom(() => controller.kill());
    },
  },
  {
    name: 'controller-again-and-again',
    title: 'the controller is killed over and over, also before it serves',
    stallLimitMs: 60_000,
    async run(stage) {
      const before = await stage.generation();
      for (let count = 0; count < AGAIN_COUNT; count += 1) {
        await stage.act(async () => {
          const controller = await stage.controller().catch(() => undefined);
          await controller?.kill().catch(() => undefined); // it ended by itself
        });
        await stage.lasts(AGAIN_EVERY_MS);
      }
      await stage.recovers(before);
    },
  },
];

/**
 * Cuts the container off for a while, and gives it the address that it had, unless the platform has
 * done that by then.
 */
async function disconnect(stage: Stage, container: string): Promise<void> {
  const { network, address } = await networkOf(stage, container);
  await network.disconnect({ Container: container, Force: true });
  await stage.lasts(LONG_MS);
  const EndpointConfig = { IPAMConfig: { IPv4Address: address } };
  await stage.act(async () => {
    try {
      await network.connect({ Container: container, EndpointConfig });
    } catch (error) {
      if (!messageOf(error).includes('already exists in network')) throw error;
    }
  });
}

async function networkOf(stage: Stage, container: string) {
  const { NetworkSettings } = await stage.container(container).inspect();
  const [found] = Object.entries(NetworkSettings.Networks);
  if (found === undefined) throw new Error(`expected ${container} to be in a network`);
  const [name, { IPAddress: address }] = found;
  return { network: stage.installation.engine.getNetwork(name), address };
}
