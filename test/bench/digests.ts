import { randomFillSync } from 'node:crypto';
import { makeRead, makeWrite } from '../chaos/initiator/commands.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';
import { canIsolateNetwork, isolateNetwork } from '../support/isolated.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { cpuSecondsOf } from '../support/processes.ts';
import { SeededRandom } from '../support/random.ts';
import { formatTable, median } from './report.ts';

const BLOCK_BYTES = 4096;
const VOLUME_BYTES = 1024 ** 3;
const DEPTH = 32;
const COUNT = 30_000;
/** Sessions one after the other, so that each is measured with warm code. */
const KINDS = ['write', 'read'] as const;

interface Sample {
  readonly iops: number;
  /** Of the controller, for one request. */
  readonly cpuMicroseconds: number;
}

/**
 * What CRC-32C of headers and data costs: the tests' own initiator, as no other in user space has
 * both digests, with and without them in turns. It computes them in JavaScript on the same cores, so
 * the controller's own CPU says more of the target than the requests a second do.
 */
export async function benchDigests(rounds: number): Promise<void> {
  if (canIsolateNetwork()) isolateNetwork();
  const keelson = await startKeelson({ isEmpty: true });
  try {
    const { portal, targetName } = await keelson.makeVolume('digests', {
      ...{ size: '1Gi', replicas: 0 },
    });
    const samples = new Map<string, Sample[]>();
    for (let round = 0; round <= rounds; round += 1) {
      for (const kind of KINDS) {
        for (const hasDigests of round % 2 === 0 ? [false, true] : [true, false]) {
          const sample = await measure(keelson, { portal, targetName }, kind, hasDigests);
          const name = nameOf(kind, hasDigests);
          // The first round only warms up.
          if (round > 0) samples.set(name, [...(samples.get(name) ?? []), sample]);
        }
      }
    }
    process.stdout.write(`${format(samples)}\n`);
  } finally {
    await keelson.stop();
  }
}

async function measure(
  keelson: Keelson,
  { portal, targetName }: { portal: string; targetName: string },
  kind: (typeof KINDS)[number],
  hasDigests: boolean,
): Promise<Sample> {
  const [host = '', port] = portal.split(':');
  const initiatorName = 'iqn.2026-11.io.keelson:bench';
  const digests = { header: hasDigests, data: hasDigests };
  const target = { host, port: Number(port), targetName, initiatorName, digests };
  const initiator = new Initiator(target, () => undefined);
  const random = new SeededRandom(1);
  const data = randomFillSync(Buffer.alloc(BLOCK_BYTES));
  const makeCommand = () => {
    const offsetBytes = random.below(VOLUME_BYTES / BLOCK_BYTES) * BLOCK_BYTES;
    if (kind === 'write') return makeWrite(offsetBytes, data, { form: 10, isForced: false });
    return makeRead({ offsetBytes, lengthBytes: BLOCK_BYTES }, 10);
  };
  while ((await initiator.execute(makeCommand())).kind !== 'good'); // past the unit attention
  const { pid } = keelson.controller();
  const cpuBefore = cpuSecondsOf(pid);
  const startMs = performance.now();
  let left = COUNT;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const answer = await initiator.execute(makeCommand());
      if (answer.kind !== 'good') throw new Error(`${kind}: ${answer.reason}`);
    }
  };
  await Promise.all(Array.from({ length: DEPTH }, work));
  const seconds = (performance.now() - startMs) / 1000;
  const cpuSeconds = cpuSecondsOf(pid) - cpuBefore;
  await initiator.stop();
  return { iops: COUNT / seconds, cpuMicroseconds: (cpuSeconds / COUNT) * 1e6 };
}

function nameOf(kind: string, hasDigests: boolean): string {
  return `4K ${kind}, depth ${DEPTH}, ${hasDigests ? 'both digests' : 'no digest'}`;
}

function format(samples: ReadonlyMap<string, readonly Sample[]>): string {
  const of = (name: string, value: (sample: Sample) => number) =>
    median((samples.get(name) ?? []).map(value));
  const rows = [...samples.keys()].map((name) => [
    name,
    of(name, ({ iops }) => iops).toFixed(0),
    of(name, ({ cpuMicroseconds }) => cpuMicroseconds).toFixed(1),
  ]);
  const ratios = KINDS.map((kind) => {
    const [on, off] = [true, false].map((hasDigests) => nameOf(kind, hasDigests)) as [
      string,
      string,
    ];
    const iops = of(on, (sample) => sample.iops) / of(off, (sample) => sample.iops);
    const cpu = of(off, (s) => s.cpuMicroseconds) / of(on, (s) => s.cpuMicroseconds);
    return `${kind}: ${iops.toFixed(2)} of the requests a second, ${cpu.toFixed(2)} by the controller's CPU`;
  });
  const table = formatTable([['1 copy', 'IOPS', 'controller, CPU µs a request'], ...rows]);
  return `${table}\nwith both digests, ${ratios.join('; ')}; target 0.75`;
}
