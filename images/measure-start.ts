import type Docker from 'dockerode';
import type { Role } from './bundle.ts';
import type { Images } from './images.ts';
import { makeSubject } from './subject.ts';

export interface StartTime {
  /** Until the engine says that the container runs, and until the program answered first. */
  readonly engineMs: number;
  readonly answerMs: number;
}

/** The first start of a container is not the one that matters: that is a start after a crash. */
const ROUNDS = 6;

/** Kills and starts a container of `role` and returns the median. */
export async function measureStart(engine: Docker, images: Images, role: Role): Promise<StartTime> {
  const { container, says, remove } = await makeSubject(engine, images, role);
  try {
    const times: StartTime[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now();
      await container.start();
      const engineMs = performance.now() - began;
      await says('up');
      const answerMs = performance.now() - began;
      await container.kill();
      await says('down');
      await container.wait();
      if (round > 0) times.push({ engineMs, answerMs });
    }
    return median(times);
  } finally {
    await remove();
  }
}

function median(times: readonly StartTime[]): StartTime {
  const sorted = [...times].sort((a, b) => a.answerMs - b.answerMs);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('median: expected at least one time');
  return middle;
}
