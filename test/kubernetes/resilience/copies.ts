import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/child.ts';
import { copyDirectoryOf, dataRootOf } from '../support/installation.ts';
import type { Scenario, Stage } from './scenario.ts';

const NOTE_LIMIT_MS = 90_000;

/** What becomes of the copies of a volume: their nodes come back without them. */
export const COPY_SCENARIOS: readonly Scenario[] = [
  {
    name: 'emptied-directory',
    title: 'S51 N11 a node comes back with an emptied directory of a copy: it is rebuilt there',
    volume: { isFilled: true },
    target: '< 15 s',
    async run(stage) {
      const before = await stage.generation();
      const node = await stage.otherNode();
      const directory = copyDirectoryOf(stage.installation.harness, await stage.view(), node);
      await comesBackWithout(stage, node, () => empty(directory));
      await stage.recovers(before);
    },
  },
  {
    name: 'emptied-disk',
    title:
      'S51 N11 a node comes back with an empty disk: it waits, says so, and is rebuilt when told',
    volume: { isFilled: true },
    target: '< 15 s',
    async run(stage) {
      const before = await stage.generation();
      const node = await stage.otherNode();
      const root = dataRootOf(stage.installation.harness, node);
      await comesBackWithout(stage, node, () => rmSync(root, { recursive: true }));
      await eventually(
        `${node} says why nothing is started there`,
        async () => (await stage.installation.api.node(node)).downReason ?? undefined,
        { withinMs: NOTE_LIMIT_MS },
      );
      await stage.volume.whenBusy();
      await stage.act(() => stage.installation.api.removeNode(node, { isForced: true }));
      await stage.recovers(before);
    },
  },
];

/** Its power is cut; what is done to its disk is done before it is back. */
async function comesBackWithout(stage: Stage, node: string, loss: () => void): Promise<void> {
  await stage.machines.kill(node);
  await stage.degraded();
  loss();
  await stage.act(() => stage.machines.start(node));
}

function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}
