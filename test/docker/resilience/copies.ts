import { eventually } from '../../support/child.ts';
import { SMALL_NODE } from '../support/docker-installation.ts';
import type { Scenario, Stage } from './scenario.ts';

const KILLED_SYNCS = 3;
const AWAY_MS = 3_000;

/** What becomes of the copies of a volume: they go, come back, come back empty, run full. */
export const COPY_SCENARIOS: readonly Scenario[] = [
  ...[1, 2, 3].map(
    (count): Scenario => ({
      name: `nodes-away-${count}`,
      title: `the nodes of ${count} of three copies are away for a while and come back`,
      stallLimitMs: 60_000,
      async run(stage) {
        const before = await stage.generation();
        const nodes = (await stage.nodes()).slice(0, count);
        const { installation } = stage;
        await Promise.all(nodes.map((node) => installation.takeNodeAway(node)));
        await stage.lasts(AWAY_MS);
        await stage.act(() => Promise.all(nodes.map((node) => installation.bringNodeBack(node))));
        await stage.recovers(before);
      },
    }),
  ),
  {
    name: 'killed-while-syncing',
    title: 'a replica is killed again and again while it syncs: it is whole in the end',
    isCore: true,
    volume: { mebibytes: 128, isFilled: true },
    stallLimitMs: 20_000,
    async run(stage) {
      const [, node = ''] = await stage.nodes();
      const before = await stage.generation();
      await emptyCopy(stage, node);
      for (let count = 0; count < KILLED_SYNCS; count += 1) {
        await stage.until('the copy syncs', ({ copies }) =>
          copies.some((copy) => copy.node === node && (copy.sync?.doneBytes ?? 0) > 0),
        );
        const replica = await stage.replica(node);
        await stage.act(() => replica.kill());
        await stage.until('the end of it is noticed', ({ copies }) =>
          copies.some((copy) => copy.node === node && !copy.isConnected),
        );
      }
      await stage.recovers(before);
    },
  },
  {
    name: 'emptied-directory',
    title: 'S51 N11 a replica starts with an emptied directory: it is another copy, and rebuilt',
    isCore: true,
    volume: { isFilled: true },
    stallLimitMs: 20_000,
    async run(stage) {
      const [node = ''] = await stage.nodes();
      const before = await stage.generation();
      await emptyCopy(stage, node);
      await stage.recovers(before);
    },
  },
  {
    name: 'full-disk',
    title:
      'the disk of a node runs full: the others serve, and its copy is back when there is room',
    stallLimitMs: 20_000,
    async run(stage) {
      const { installation } = stage;
      const before = await stage.generation();
      await installation.fillSmallDisk();
      await stage.until('its copy is lost', ({ copies }) =>
        copies.some(({ node, state }) => node === SMALL_NODE && state !== 'in-sync'),
      );
      await stage.volume.whenBusy();
      await stage.act(() => installation.freeSmallDisk());
      await stage.recovers(before);
    },
  },
];

/** The primary's as well as any other: it comes up with nothing of what it had. */
async function emptyCopy(stage: Stage, node: string): Promise<void> {
  const { installation } = stage;
  const view = await stage.view();
  const directory = installation.copyDirectoryOf(view, node);
  await stage.act(async () => {
    await installation.takeNodeAway(node);
    await eventually('its replica is gone', async () =>
      (await installation.replicaOf(stage.volume.name, node).catch(() => undefined)) === undefined
        ? true
        : undefined,
    );
    await installation.dockerd.inside('sh', ['-c', 'rm -rf "$1"/*', 'sh', directory]);
    await installation.bringNodeBack(node);
  });
}
