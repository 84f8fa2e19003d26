import { untilPortalAnswers } from '../../support/stopwatch.ts';
import { VerifiedVolume } from '../../support/verified-volume.ts';
import type { Scenario, Stage } from './scenario.ts';

const KILLS = 20;
const VOLUMES = 4;
/** A controller that was up for less counts as one that does not stay up, and is waited with. */
const STABLE_MS = 10_500;

/** One kill at a time, of controllers that have been up for a while. */
export const TWENTY_SCENARIOS: readonly Scenario[] = [
  {
    name: 'twenty-kills',
    title: `B1 a controller is killed ${KILLS} times: how soon the next one answers`,
    volume: { mebibytes: 16, depth: 2 },
    stallLimitMs: 25_000,
    async run(stage) {
      const others = await makeOthers(stage);
      const volumes = [stage.volume, ...others];
      const portalMs: number[] = [];
      for (let count = 0; count < KILLS; count += 1) {
        await stage.lasts(STABLE_MS / VOLUMES);
        const volume = volumes[count % VOLUMES] as VerifiedVolume;
        const controller = stage.container(await stage.installation.controllerOf(volume.name));
        portalMs.push(await untilPortalAnswers(volume.target, () => controller.kill()));
        await volume.whenBusy();
      }
      const sorted = portalMs.toSorted((a, b) => a - b);
      stage.figures.portalMedianMs = Math.round(sorted[KILLS / 2] as number);
      stage.figures.portalWorstMs = Math.round(sorted.at(-1) as number);
      for (const other of others) await endOther(stage, other);
    },
  },
];

function makeOthers({ installation }: Stage): Promise<VerifiedVolume[]> {
  const names = Array.from({ length: VOLUMES - 1 }, (_, index) => `twenty-kills-${index + 2}`);
  return Promise.all(
    names.map(async (name) => {
      const options = { name, mebibytes: 16, depth: 2 };
      const volume = await VerifiedVolume.create(installation, options);
      volume.start();
      await volume.whenBusy();
      return volume;
    }),
  );
}

async function endOther(stage: Stage, volume: VerifiedVolume): Promise<void> {
  await stage.installation.whenHealthy(volume.name);
  await volume.rest();
  await volume.checkCopies();
  expect([...volume.ioErrors]).toEqual([]);
  const worst = Math.max(stage.figures.otherStallMs ?? 0, volume.longestStallMs);
  stage.figures.otherStallMs = Math.round(worst);
  await volume.remove();
}
