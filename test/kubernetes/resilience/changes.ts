import type { VolumeView } from '../../../orchestrator/model/view.ts';
import { eventually } from '../../support/child.ts';
import { nextTagOf } from '../support/images.ts';
import { install } from '../support/install.ts';
import { kubectlWith } from '../support/kubectl.ts';
import { currentSuite } from '../support/suite.ts';
import type { Scenario, Stage } from './scenario.ts';

const DRAIN_LIMIT_MS = 90_000;
const MOVE_LIMIT_MS = 180_000;

/** What people do to an installation while its volumes are in use. */
export const CHANGE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'drain-by-kubectl',
    title: 'kubectl drain of each node with a copy, one after the other: no I/O fails',
    target: '< 4 s',
    async run(stage) {
      for (const node of await stage.nodes()) {
        const before = await stage.generation();
        await stage.act(() => drain(node));
        await kubectlWith(undefined, ['uncordon', node]);
        await stage.recovers(before - 1);
      }
    },
  },
  {
    name: 'drain-while-degraded',
    title: 'kubectl drain while a copy is missing: it is told to wait, and no other copy goes',
    target: '< 4 s',
    async run(stage) {
      const before = await stage.generation();
      const lost = await stage.otherNode();
      const { spec } = await stage.controller();
      const node = (await stage.nodes()).find((one) => one !== lost && one !== spec.nodeName) ?? '';
      await stage.act(() => stage.machines.kill(lost));
      await stage.degraded();
      try {
        await expect(drain(node, { timeoutSeconds: 15 })).rejects.toThrow(/disruption budget/);
      } finally {
        await kubectlWith(undefined, ['uncordon', node]);
      }
      expect(inSyncOf(await stage.view())).toBe(2);
      await stage.act(() => stage.machines.start(lost));
      await stage.recovers(before);
    },
  },
  {
    name: 'drain-by-keelson',
    title: 'keelson node drain: the copy moves, and there are never fewer in-sync ones than before',
    volume: { replicas: 1, isFilled: true },
    target: '< 4 s',
    async run(stage) {
      const { api } = stage.installation;
      const node = await stage.otherNode();
      try {
        await stage.act(() => api.changeNode(node, { isDraining: true }));
        expect(await emptied(stage, node)).toEqual({ fewestInSync: 2 });
        await stage.recovers(-1);
      } finally {
        await api.changeNode(node, { isDraining: false, isCordoned: false });
      }
    },
  },
  {
    name: 'drain-last-copy',
    title: 'keelson node drain of the node with the last in-sync copy: it stays while it is needed',
    volume: { replicas: 1, isFilled: true, labels: { 'keelson.io/failure-mode': 'alwayson' } },
    target: '< 15 s',
    async run(stage) {
      const { api } = stage.installation;
      const [node = '', other = ''] = await stage.nodes();
      await stage.machines.kill(other);
      await stage.degraded();
      try {
        await api.changeNode(node, { isDraining: true });
        // A third node takes a copy. Without the one that is drained there would be one alone.
        const { copies } = await stage.until('two copies are in sync', (view) => {
          return inSyncOf(view) === 2;
        });
        expect(copies.find((copy) => copy.node === node)?.state).toBe('in-sync');
        await stage.act(() => stage.machines.start(other));
        expect(await emptied(stage, node)).toEqual({ fewestInSync: 2 });
        await stage.recovers(-1);
      } finally {
        await api.changeNode(node, { isDraining: false, isCordoned: false });
      }
    },
  },
  {
    name: 'upgrade',
    title: 'the orchestrator is upgraded: I/O is not touched, nor any pod of a volume',
    target: '< 2 s',
    async run(stage) {
      const { tag } = currentSuite();
      const before = await podsOf(stage);
      const generation = await stage.generation();
      await stage.timed('upgradeMs', () => install(nextTagOf(tag)));
      expect(await podsOf(stage)).toEqual(before);
      expect(await stage.generation()).toBe(generation);
      // A process takes the new images when it is next started.
      const controller = await stage.controller();
      await stage.recoversFrom(() => stage.deletePod(controller));
      await install(tag);
      await stage.recovers(generation);
    },
  },
];

function drain(node: string, { timeoutSeconds } = { timeoutSeconds: 80 }): Promise<string> {
  const words = ['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--force'];
  return kubectlWith(undefined, [...words, `--timeout=${timeoutSeconds}s`], DRAIN_LIMIT_MS);
}

/** Waits until no copy is left there; how many in-sync ones there were all the while. */
async function emptied(stage: Stage, node: string): Promise<{ fewestInSync: number }> {
  let fewestInSync = Number.POSITIVE_INFINITY;
  await eventually(
    `no copy is left on ${node}`,
    async () => {
      const view = await stage.view();
      fewestInSync = Math.min(fewestInSync, inSyncOf(view));
      return view.copies.every((copy) => copy.node !== node) || undefined;
    },
    { withinMs: MOVE_LIMIT_MS, everyMs: 20 },
  );
  return { fewestInSync };
}

function inSyncOf({ copies }: VolumeView): number {
  return copies.filter(({ state }) => state === 'in-sync').length;
}

async function podsOf({ installation, volume }: Stage): Promise<string[]> {
  const pods = await installation.podsOf(volume.view);
  return pods.map(({ metadata }) => metadata.uid).toSorted();
}
