import { untilPortalAnswers } from '../../support/stopwatch.ts';
import { SYSTEM } from '../support/installation.ts';
import { kubectl } from '../support/kubectl.ts';
import type { Scenario } from './scenario.ts';

const AWAY_MS = 5_000;

/** Jiva's scenarios 1 to 4, as the requirements S49 to S52 have them. */
export const JIVA_SCENARIOS: readonly Scenario[] = [
  {
    name: 's49',
    title: 'S49 B1 the container of the controller is killed: it is back, and no I/O fails',
    isCore: true,
    target: '< 3 s',
    async run(stage) {
      const { target } = stage.volume;
      const controller = await stage.controller();
      await stage.recoversFrom(async () => {
        const portalMs = await untilPortalAnswers(target, () => stage.killContainer(controller));
        stage.figures.portalMs = Math.round(portalMs);
      });
    },
  },
  {
    name: 's50',
    title: 'S50 B1 the node of the controller is lost: it runs on an available one',
    isCore: true,
    target: '< 15 s',
    async run(stage) {
      const before = await stage.generation();
      const { spec } = await stage.controller();
      const { nodeName: node = '' } = spec;
      await stage.act(() => stage.machines.kill(node));
      await stage.controllerLeaves(node);
      await stage.volume.whenBusy();
      await stage.degraded();
      await stage.act(() => stage.machines.start(node));
      await stage.recovers(before);
    },
  },
  {
    name: 's51',
    title: 'S51 the container of a replica is killed: it is back on its own node with its data',
    volume: { isFilled: true },
    target: '< 4 s',
    async run(stage) {
      for (const node of await stage.nodes()) {
        const replica = await stage.replica(node);
        await stage.recoversFrom(() => stage.killContainer(replica));
        expect((await stage.replica(node)).spec.nodeName).toBe(node);
      }
    },
  },
  {
    name: 's52',
    title: 'S52 the node of a replica is lost: the others serve, and it is started nowhere else',
    isCore: true,
    target: '< 4 s',
    async run(stage) {
      const before = await stage.generation();
      const nodes = (await stage.nodes()).toSorted();
      const node = await stage.otherNode();
      await stage.timed('degradedMs', async () => {
        await stage.act(() => stage.machines.kill(node));
        await stage.degraded();
      });
      await stage.lasts(AWAY_MS);
      await stage.volume.whenBusy();
      expect((await stage.nodes()).toSorted()).toEqual(nodes);
      const pods = await stage.installation.podsOf(stage.volume.view);
      const replicas = pods.filter(
        ({ metadata }) => metadata.labels?.['keelson.io/role'] === 'replica',
      );
      const places = new Set(replicas.map(({ spec }) => spec.nodeName ?? 'no node yet'));
      expect([...places].toSorted()).toEqual(nodes);
      await stage.act(() => stage.machines.start(node));
      await stage.recovers(before);
    },
  },
  {
    name: 'delete-controller',
    title: 'kubectl delete pod of the controller: another one takes over',
    target: '< 3 s',
    async run(stage) {
      const controller = await stage.controller();
      await stage.recoversFrom(() => stage.deletePod(controller));
      expect((await stage.controller()).metadata.uid).not.toBe(controller.metadata.uid);
    },
  },
  {
    name: 'delete-controller-at-once',
    title: 'kubectl delete pod --force of the controller: it may still run, and is fenced',
    target: '< 15 s',
    async run(stage) {
      const { metadata } = await stage.controller();
      const force = ['--force', '--grace-period=0'];
      await stage.recoversFrom(() =>
        kubectl('delete', 'pod', metadata.name, '-n', SYSTEM, '--wait=false', ...force),
      );
    },
  },
  {
    name: 'delete-replicas',
    title: 'kubectl delete pod of each replica: it is made anew on its own node',
    target: '< 4 s',
    async run(stage) {
      for (const node of await stage.nodes()) {
        const replica = await stage.replica(node);
        await stage.recoversFrom(() => stage.deletePod(replica));
        const { metadata, spec } = await stage.replica(node);
        expect(metadata.uid).not.toBe(replica.metadata.uid);
        expect(spec.nodeName).toBe(node);
      }
    },
  },
];
