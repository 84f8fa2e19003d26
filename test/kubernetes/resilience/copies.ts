import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MARKER_NAME } from '../../../replica/common/node-directory.ts';
import { eventually } from '../../support/child.ts';
import { copyDirectoryOf, dataRootOf } from '../support/installation.ts';
import type { Scenario, Stage } from './scenario.ts';

const NOTE_LIMIT_MS = 120_000;

/** That of all our containers. */
const USER_ID = 65_532;

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
    title: 'S51 N11 a node comes back without its disk: it waits, and is rebuilt on a new one',
    volume: { isFilled: true },
    target: '< 4 s',
    async run(stage) {
      const before = await stage.generation();
      const node = await stage.otherNode();
      const root = dataRootOf(stage.installation.harness, node);
      const marker = join(root, MARKER_NAME);
      const identity = readFileSync(marker);
      await comesBackWithout(stage, node, () => rmSync(root, { recursive: true }));
      await eventually(
        `${node} is Ready, and says why nothing is started there`,
        async () => /keelson/.exec((await stage.installation.api.node(node)).downReason ?? '')?.[0],
        { withinMs: NOTE_LIMIT_MS, everyMs: 500 },
      );
      await stage.volume.whenBusy();
      expect(existsSync(root)).toBe(false);
      // Somebody puts an empty disk in, and says that it is this node's.
      mkdirSync(root, { mode: 0o700 });
      await stage.act(async () => writeFileSync(marker, identity, { mode: 0o600 }));
      for (const path of [marker, root]) chownSync(path, USER_ID, USER_ID);
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
