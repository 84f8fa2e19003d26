import { REPLICATION_PORT } from '../../replica/common/limits.ts';
import { runOk } from '../support/child.ts';

/**
 * Cuts and slows down single directions of traffic on loopback, by what the kernel always has: a
 * class of an HTB queue for each disturbance, filters that put packets into it, and in it either a
 * queue that swallows everything or a low rate. What no filter takes is not delayed at all.
 *
 * Loopback has each packet once, on its way out, so source and destination tell the direction.
 */
export interface Direction {
  /** The side that listens. */
  readonly host: string;
  readonly port: number;
  /** Seen from it. */
  readonly way: 'in' | 'out';
}

export type Disturbance =
  | { readonly kind: 'cut' }
  | { readonly kind: 'slow'; readonly kbit: number };

/** Both directions of a replica's replication port, or one. */
export function directionsOf(host: string, ways: readonly Direction['way'][]): Direction[] {
  return ways.map((way) => ({ host, port: REPLICATION_PORT, way }));
}

/** A root queue 1:, and class 1:1 to keep the others apart from its own direct queue. */
export async function prepareTraffic(): Promise<void> {
  await tc('qdisc add dev lo root handle 1: htb default 0 r2q 1000');
}

let lastId = 0;

/** Returns how to end it. */
export async function disturb(
  directions: readonly Direction[],
  disturbance: Disturbance,
): Promise<() => Promise<void>> {
  lastId += 1;
  const id = lastId.toString(16);
  const rate = disturbance.kind === 'slow' ? `${disturbance.kbit}kbit` : '1gbit';
  await tc(`class add dev lo parent 1: classid 1:${id} htb rate ${rate}`);
  if (disturbance.kind === 'cut') await tc(`qdisc add dev lo parent 1:${id} blackhole`);
  for (const { host, port, way } of directions) {
    const match =
      way === 'in'
        ? `match ip dst ${host}/32 match ip dport ${port} 0xffff`
        : `match ip src ${host}/32 match ip sport ${port} 0xffff`;
    await tc(`filter add dev lo parent 1: protocol ip prio ${lastId} u32 ${match} flowid 1:${id}`);
  }
  const priority = lastId;
  return async () => {
    await tc(`filter del dev lo parent 1: prio ${priority}`);
    await tc(`class del dev lo classid 1:${id}`);
  };
}

function tc(words: string): Promise<string> {
  return runOk('tc', words.split(' '), { timeoutMs: 10_000 });
}
