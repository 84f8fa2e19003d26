import { eventually } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { startTgt } from '../support/tgt.ts';

/** A LUN to be judged, on its own while it is. */
export interface Subject {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

const SIZE_BYTES = 1024 ** 3;
const SIZE = '1Gi';

export async function startTgtSubject(): Promise<Subject> {
  const tgt = await startTgt({ portal: '127.0.0.1:3970', sizeBytes: SIZE_BYTES });
  return { name: 'tgt', url: tgt.url, stop: tgt.stop };
}

/** A Keelson volume of 1 GiB; the suite itself never runs on the volume of another one. */
export async function startKeelsonSubject(copies: number): Promise<Subject & { keelson: Keelson }> {
  const keelson = await startKeelson({ isEmpty: true });
  try {
    const { portal, targetName } = await makeVolume(keelson, copies);
    const name = `Keelson, ${copies} ${copies === 1 ? 'copy' : 'copies'}`;
    return { name, url: `iscsi://${portal}/${targetName}/0`, keelson, stop: keelson.stop };
  } catch (error) {
    await keelson.stop();
    throw error;
  }
}

async function makeVolume(keelson: Keelson, copies: number) {
  await keelson.makeVolume('suite', { size: SIZE, replicas: copies - 1 });
  return await whenServing(keelson);
}

/** The volume serves with all of its copies. */
export function whenServing(keelson: Keelson) {
  return eventually('the volume serves', async () => {
    const volume = await keelson.api.volume({ namespace: 'default', name: 'suite' });
    const isUp = volume.health === 'healthy' && volume.controller.process === 'ready';
    return isUp ? volume : undefined;
  });
}
