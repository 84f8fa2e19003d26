import { startKeelson } from '../support/keelson.ts';
import { SeededRandom } from '../support/random.ts';
import { converse, fuzzReplicaLink, type Port } from './conversation.ts';
import { type Cost, costOf } from './dropped-connections.ts';
import { GoodInitiator } from './good-initiator.ts';
import { startLoneReplica } from './lone-replica.ts';
import { loginAndStream, recordConversation, strangersFrames } from './recordings.ts';

export interface SocketRun {
  readonly seconds: number;
  readonly seed: number;
  readonly print: (text: string) => void;
}

/** A burst of conversations, after which all must be as it was. */
const BURST_MS = 4_000;
const AT_A_TIME = 8;
/** Buffers that are used again, compiled code, a heap that took its size: all of it stays below. */
const MAX_GROWTH_MIB = 192;
const VOLUME = 'fuzz';

/**
 * Damaged conversations with the ports of running processes: the portal of a controller, the port of
 * its replica to which nobody proved anything, and a replica whose controller is the fuzzer itself.
 * After every burst: each process is the same one, a good initiator and a good controller are served,
 * memory is within its limit, and no file stays open. Returns how many findings there were.
 */
export async function fuzzSockets({ seconds, seed, print }: SocketRun): Promise<number> {
  const keelson = await startKeelson({ isEmpty: true, nodes: 2 });
  const lone = await startLoneReplica();
  const good = new GoodInitiator();
  try {
    const { portal, targetName } = await keelson.makeVolume(VOLUME, { size: '64Mi', replicas: 1 });
    const controller = { ...portOf(portal), targetName };
    await good.connect(controller);
    const recorded = await recordConversation(controller);
    const replica = { host: '127.0.0.11', port: 5703 };
    const pids = () => keelson.processes().map(({ pid }) => pid);
    const [pidsBefore, watched] = [pids(), [...pids(), lone.pid]];
    const before = await Promise.all(watched.map(costOf));
    const random = new SeededRandom(seed);
    const tally = { portal: 0, handshake: 0, link: 0 };
    const endMs = performance.now() + seconds * 1000;
    while (performance.now() < endMs) {
      const burstEndMs = Math.min(endMs, performance.now() + BURST_MS);
      const work = async (index: number): Promise<void> => {
        while (performance.now() < burstEndMs) {
          if (index === 0) {
            await converse(replica, strangersFrames(random), random);
            tally.handshake += 1;
          } else if (index <= 2) {
            await fuzzReplicaLink(lone, random);
            tally.link += 1;
          } else {
            await converse(controller, chooseStream(recorded, targetName, random), random);
            tally.portal += 1;
          }
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, (_, index) => work(index)));
      await good.writeAndReadBack();
      await lone.serveGoodController();
      expectSame('processes of the installation', pids().join(), pidsBefore.join());
    }
    await expectNoCost(watched, before);
    print(`sockets: ${JSON.stringify(tally)} conversations`);
    return 0;
  } catch (error) {
    print(`FOUND sockets (seed ${seed}): ${error instanceof Error ? error.message : error}`);
    print(keelson.output().slice(-4000) + lone.output().slice(-4000));
    return 1;
  } finally {
    await good.stop();
    await lone.stop();
    await keelson.stop();
  }
}

function chooseStream(recorded: Buffer[], targetName: string, random: SeededRandom): Buffer[] {
  return random.chance(0.5) ? recorded : loginAndStream(targetName, random);
}

async function expectNoCost(pids: readonly number[], before: readonly Cost[]): Promise<void> {
  const after = await Promise.all(pids.map(costOf));
  for (const [index, pid] of pids.entries()) {
    const [was, now] = [before[index]!, after[index]!];
    if (now.files > was.files) {
      throw new Error(`process ${pid}: expected ${was.files} open files, found ${now.files}`);
    }
    const growth = now.residentMiB - was.residentMiB;
    if (growth > MAX_GROWTH_MIB) {
      throw new Error(`process ${pid}: grew by ${growth.toFixed(0)} MiB, limit ${MAX_GROWTH_MIB}`);
    }
  }
}

function portOf(portal: string): Port {
  const [host = '', port = ''] = portal.split(':');
  return { host, port: Number(port) };
}

function expectSame(what: string, got: string, expected: string): void {
  if (got !== expected) throw new Error(`${what}: expected ${expected}, got ${got}`);
}
