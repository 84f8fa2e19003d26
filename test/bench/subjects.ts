import { type Keelson, startKeelson } from '../support/keelson.ts';
import { startTgt } from '../support/tgt.ts';
import { PEER } from './report.ts';
import { SPAN_BYTES } from './workloads.ts';

/** One target that is measured. */
export interface Subject {
  readonly name: string;
  readonly url: string;
  /** Pids by a readable name. */
  readonly processes: Readonly<Record<string, number>>;
}

export interface Subjects {
  readonly list: readonly Subject[];
  stop(): Promise<void>;
}

/** Stays clear of the ports of any tgtd that the machine runs as a service. */
const TGT_PORTAL = '127.0.0.1:3970';

export async function startSubjects(options: { onlyTgt: boolean }): Promise<Subjects> {
  const tgt = await startTgt({ portal: TGT_PORTAL, sizeBytes: SPAN_BYTES });
  const peer: Subject = { name: PEER, url: tgt.url, processes: { tgtd: tgt.pid } };
  if (options.onlyTgt) return { list: [peer], stop: tgt.stop };
  try {
    const keelson = await startKeelson({ isEmpty: true });
    return {
      list: [peer, await volume(keelson, 0), await volume(keelson, 2)],
      stop: async () => {
        await keelson.stop();
        await tgt.stop();
      },
    };
  } catch (error) {
    await tgt.stop();
    throw error;
  }
}

async function volume(keelson: Keelson, replicas: number): Promise<Subject> {
  const name = `bench${replicas}`;
  const { portal, targetName } = await keelson.makeVolume(name, { size: '1Gi', replicas });
  const own = keelson.processes().filter(({ command }) => command.includes(`default/${name} `));
  let replicaCount = 0;
  const processes = own.map(({ pid, command }): [string, number] => {
    if (command.includes('controller/main.ts')) return ['controller', pid];
    replicaCount += 1;
    return [`replica ${replicaCount}`, pid];
  });
  return {
    name: replicas === 0 ? 'keelson, 1 copy' : `keelson, ${replicas + 1} copies`,
    url: `iscsi://${portal}/${targetName}/0`,
    processes: Object.fromEntries(processes),
  };
}
