import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runOk } from '../support/child.ts';
import { canIsolateNetwork, isolateNetwork } from '../support/isolated.ts';
import { startKeelson } from '../support/keelson.ts';
import { formatTable, median } from './report.ts';
import { type Change, SYNC_VOLUME_BYTES, SyncSubject, type WireCount } from './sync-subject.ts';
import { benchArguments, resultOf, type Workload } from './workloads.ts';

const MIB = 1024 ** 2;

const CHANGES: readonly (Change & { readonly name: string })[] = [
  { name: '64 MiB sequential', sequentialBytes: 64 * MIB, randomBytes: 0 },
  { name: '32 MiB sequential, 32 MiB random 4K', sequentialBytes: 32 * MIB, randomBytes: 32 * MIB },
  { name: '64 MiB random 4K', sequentialBytes: 0, randomBytes: 64 * MIB },
];

/** Short runs, so that several end while one sync lasts. */
const FOREGROUND: Workload = {
  ...{ name: '4K random write', isWrite: true, depth: 32, unit: 'IOPS' },
  ...{ requestBytes: 4096, count: 8_000 },
};

/** The offset advances by this and wraps: 0.618 of 1 GiB in blocks, odd, so it meets every block. */
const STRIDE_BYTES = 162_013 * 4096;

interface DeltaSample {
  readonly seconds: number;
  readonly changedBytes: number;
  readonly moved: WireCount;
}

interface FullSample {
  readonly syncSeconds: number;
  /** Of all processes of the volume; says what a sync costs on a machine that is busy otherwise. */
  readonly syncCpuSeconds: number;
  readonly copySeconds: number;
}

interface ForegroundSample {
  readonly alone: number;
  /** Of the runs that began and ended during the sync; empty when it was faster than one run. */
  readonly duringSync: readonly number[];
  readonly syncSeconds: number;
}

/** Delta sync, full sync against `cp`, and what a full sync costs those who write meanwhile. */
export async function benchSync(rounds: number): Promise<void> {
  if (canIsolateNetwork()) isolateNetwork();
  const keelson = await startKeelson({ isEmpty: true });
  try {
    const subject = await SyncSubject.create(keelson);
    progress('fill the volume');
    await subject.fill();
    const deltas = new Map<string, DeltaSample[]>(CHANGES.map(({ name }) => [name, []]));
    const fulls: FullSample[] = [];
    const foregrounds: ForegroundSample[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const change of CHANGES) {
        progress(`round ${round}: delta sync after ${change.name}`);
        deltas.get(change.name)?.push(await measureDelta(subject, change));
      }
      progress(`round ${round}: full sync and cp`);
      fulls.push(await measureFull(subject, round));
      progress(`round ${round}: writes during a full sync`);
      foregrounds.push(await measureForeground(subject));
    }
    const tables = [deltaTable(deltas), fullTable(fulls), foregroundTable(foregrounds)];
    process.stdout.write(`${tables.join('\n\n')}\n`);
  } finally {
    await keelson.stop();
  }
}

async function measureDelta(subject: SyncSubject, change: Change): Promise<DeltaSample> {
  const replica = await subject.secondary();
  const before = await subject.wireCountOf(replica.node);
  process.kill(replica.pid, 'SIGSTOP');
  let changedBytes: number;
  try {
    await subject.whenStruckOff(replica.node);
    changedBytes = await subject.write(change);
  } finally {
    process.kill(replica.pid, 'SIGCONT');
  }
  const startMs = performance.now();
  await subject.whenInSync(2);
  const seconds = (performance.now() - startMs) / 1000;
  const after = await subject.wireCountOf(replica.node);
  const moved = {
    writtenBytes: after.writtenBytes - before.writtenBytes,
    receivedBytes: after.receivedBytes - before.receivedBytes,
  };
  return { seconds, changedBytes, moved };
}

/** In turns, so that a busy moment of the machine hits both sides of the ratio. */
async function measureFull(subject: SyncSubject, round: number): Promise<FullSample> {
  if (round % 2 === 0) {
    const copySeconds = await timeCopy(subject);
    return { copySeconds, ...(await timeFullSync(subject)) };
  }
  return { ...(await timeFullSync(subject)), copySeconds: await timeCopy(subject) };
}

/** From the order for one more copy, its process included, to in-sync, which means durable. */
async function timeFullSync(subject: SyncSubject): Promise<Omit<FullSample, 'copySeconds'>> {
  const cpuBefore = subject.cpuSeconds();
  const startMs = performance.now();
  await subject.setReplicas(2);
  await subject.whenInSync(3);
  const syncSeconds = (performance.now() - startMs) / 1000;
  const syncCpuSeconds = subject.cpuSeconds() - cpuBefore;
  await subject.removeThird();
  return { syncSeconds, syncCpuSeconds };
}

/** Between the directories of the copy that is read and of the one that is made; durable too. */
async function timeCopy(subject: SyncSubject): Promise<number> {
  const source = await subject.dataFileOfPrimary();
  const target = join(subject.spareNodeDirectory, 'copied');
  const startMs = performance.now();
  await runOk('cp', [source, target], { timeoutMs: 300_000 });
  await runOk('sync', ['--data', target], { timeoutMs: 300_000 });
  const seconds = (performance.now() - startMs) / 1000;
  rmSync(target);
  return seconds;
}

async function measureForeground(subject: SyncSubject): Promise<ForegroundSample> {
  // Before and after, as the machine may be busier at one time than at another.
  const alone = [await foreground(subject), await foreground(subject)];
  const startMs = performance.now();
  await subject.setReplicas(2);
  await subject.whenSyncing();
  const duringSync: number[] = [];
  for (;;) {
    const result = await foreground(subject);
    if (!(await subject.isSyncing())) break;
    duringSync.push(result);
  }
  await subject.whenInSync(3);
  const syncSeconds = (performance.now() - startMs) / 1000;
  await subject.removeThird();
  alone.push(await foreground(subject), await foreground(subject));
  return { alone: median(alone), duringSync, syncSeconds };
}

async function foreground({ url }: SyncSubject): Promise<number> {
  const [bench = '', ...args] = benchArguments(FOREGROUND, url, FOREGROUND.count);
  const words = [bench, '-S', String(STRIDE_BYTES), ...args];
  const output = await runOk('qemu-img', words, { timeoutMs: 300_000 });
  return resultOf(FOREGROUND, FOREGROUND.count, output);
}

function deltaTable(samples: ReadonlyMap<string, readonly DeltaSample[]>): string {
  const rows = [...samples].map(([name, list]) => {
    const of = (value: (sample: DeltaSample) => number) => median(list.map(value));
    return [
      name,
      of(({ seconds }) => seconds).toFixed(2),
      inMiB(of(({ changedBytes }) => changedBytes)),
      inMiB(of(({ moved }) => moved.writtenBytes)),
      of(({ moved, changedBytes }) => moved.writtenBytes / changedBytes).toFixed(2),
      inMiB(of(({ moved }) => moved.receivedBytes)),
    ];
  });
  const head = [
    'delta sync, 2 copies of 1 GiB',
    's',
    'changed MiB',
    'moved MiB',
    'ratio',
    'wire MiB',
  ];
  return `${formatTable([head, ...rows])}\ntarget: below 3 s; changed is in whole regions of 64 KiB`;
}

function fullTable(samples: readonly FullSample[]): string {
  const row = (name: string, seconds: readonly number[]) => [
    name,
    median(seconds).toFixed(2),
    (SYNC_VOLUME_BYTES / 1e6 / median(seconds)).toFixed(0),
  ];
  const ratio = median(samples.map(({ copySeconds, syncSeconds }) => copySeconds / syncSeconds));
  const rows = [
    ['a new copy of 1 GiB', 's', 'MB/s'],
    row(
      'full sync',
      samples.map(({ syncSeconds }) => syncSeconds),
    ),
    row(
      'cp and fdatasync',
      samples.map(({ copySeconds }) => copySeconds),
    ),
  ];
  const cpuSeconds = median(samples.map(({ syncCpuSeconds }) => syncCpuSeconds)).toFixed(1);
  return (
    `${formatTable(rows)}\nspeed of the sync against cp: ${ratio.toFixed(2)}, target 0.5; ` +
    `it took ${cpuSeconds} s of CPU`
  );
}

function foregroundTable(samples: readonly ForegroundSample[]): string {
  const used = samples.filter(({ duringSync }) => duringSync.length > 0);
  const during = (sample: ForegroundSample) => median(sample.duringSync);
  const ratio = median(used.map((sample) => during(sample) / sample.alone));
  const rows = [
    ['4K random writes, depth 32, 2 copies', 'IOPS'],
    ['alone', median(samples.map(({ alone }) => alone)).toFixed(0)],
    ['during a full sync', median(used.map(during)).toFixed(0)],
  ];
  const seconds = median(samples.map(({ syncSeconds }) => syncSeconds)).toFixed(1);
  const runs = used.reduce((sum, { duringSync }) => sum + duringSync.length, 0);
  return (
    `${formatTable(rows)}\nratio: ${ratio.toFixed(2)}, target 0.7; ` +
    `that sync took ${seconds} s, ${runs} runs ended within one`
  );
}

function inMiB(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}

function progress(what: string): void {
  process.stderr.write(`${what}\n`);
}
