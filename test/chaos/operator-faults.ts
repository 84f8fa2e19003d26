import { existsSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/child.ts';
import type { ChaosVolume, Fault, Patient } from './faults.ts';
import { nodeOf } from './installation.ts';
import { signal } from './signal.ts';

/** Longer than a heal can take to get through to an orchestrator that was just started again. */
const HEAL_LIMIT_MS = 60_000;

/**
 * One copy more or fewer for a while, on a live volume. The orchestrator may be down: then nothing
 * is asked for, but what was asked for is taken back in any case.
 */
export async function changeReplicas(patient: Patient): Promise<Fault> {
  const { installation, volumes, random } = patient;
  const { name, replicas } = volumes[random.below(volumes.length)] as ChaosVolume;
  const wanted = replicas + (random.below(2) === 0 ? 1 : -1);
  const order = async (count: number): Promise<true> => {
    const labelsAdd = { 'keelson.io/replicas': String(count) };
    await installation.api.updateVolume(
      { namespace: 'default', name },
      { labelsAdd, labelsRemove: [] },
    );
    return true;
  };
  await order(wanted).catch(() => undefined); // it may have been heard all the same
  const durationMs = 500 + random.below(8_000);
  return {
    what: `${name} from ${replicas} to ${wanted} for ${durationMs} ms`,
    durationMs,
    heal: async () => {
      const within = { withinMs: HEAL_LIMIT_MS };
      await eventually(`${name} has its replicas again`, () => order(replicas), within);
    },
  };
}

/** The disk of a node goes, with the processes that used it, and comes back as it was. */
export function takeNodeAway(patient: Patient): Fault | undefined {
  const { installation, dataDir, plainNodes, random } = patient;
  const node = plainNodes[random.below(plainNodes.length)] ?? '';
  const directory = join(dataDir, 'nodes', node);
  const away = `${directory}.away`;
  if (!existsSync(directory) || existsSync(away)) return undefined;
  renameSync(directory, away);
  for (const replica of installation.processes('replica')) {
    if (nodeOf(replica) === node) signal(replica.pid, 'SIGKILL');
  }
  const durationMs = 500 + random.below(8_000);
  return {
    what: `${node} for ${durationMs} ms`,
    durationMs,
    heal: () => {
      // Nobody should have made anything there; then this fails, and so does the run.
      if (existsSync(directory)) rmdirSync(directory);
      renameSync(away, directory);
    },
  };
}
