import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { runOk } from '../support/child.ts';
import { cpuSecondsOf, residentMiBOf } from '../support/processes.ts';
import { benchDigests } from './digests.ts';
import { benchRegions } from './region-map.ts';
import { type BenchReport, type Footprint, formatReport, type Sample } from './report.ts';
import { type Subject, startSubjects } from './subjects.ts';
import { benchSync } from './sync.ts';
import { benchArguments, resultOf, SPAN_BYTES, WORKLOADS, type Workload } from './workloads.ts';

const HELP = `npm run bench -- [io] [--rounds 3] [--count N] [--json FILE] [--only-tgt]
npm run bench -- sync [--rounds 3]
npm run bench -- regions
npm run bench -- digests [--rounds 3]

io: the same qemu-img bench runs on tgt and on Keelson with one and with three copies, in turns, on
this machine. --count replaces every workload's number of requests, for a quick look.
sync: how long a copy takes that was away, how fast a new one is made, and what initiators feel.
digests: what CRC-32C of headers and data costs.
regions: how long a replica of 1 TiB takes to open, and the memory of its region map.
`;
const IDLE_MS = 20_000;
/** The memory of the load is given back meanwhile: after one to two quiet minutes. */
const SETTLE_MS = 130_000;
const FILL_REQUEST_BYTES = 1024 ** 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    count: { type: 'string' },
    json: { type: 'string' },
    'only-tgt': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const rounds = Number(values.rounds);
const count = values.count === undefined ? undefined : Number(values.count);
const [what = 'io'] = positionals;
const isKnown = ['io', 'sync', 'regions', 'digests'].includes(what);
if (values.help || !isKnown || !(rounds >= 1) || (count !== undefined && !(count >= 1))) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}
if (what === 'sync') await benchSync(rounds);
else if (what === 'regions') await benchRegions();
else if (what === 'digests') await benchDigests(rounds);
else await benchIo();

async function benchIo(): Promise<void> {
  const subjects = await startSubjects({ onlyTgt: values['only-tgt'] });
  try {
    const report = await measure(subjects.list);
    process.stdout.write(`${formatReport(report)}\n`);
    if (values.json !== undefined) {
      writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    }
  } finally {
    await subjects.stop();
  }
}

async function measure(list: readonly Subject[]): Promise<BenchReport> {
  const total = list.length * (1 + rounds * WORKLOADS.length) + 1;
  let done = 0;
  const progress = (what: string) => showProgress(done++, total, what);
  for (const subject of list) {
    progress(`fill ${subject.name}`);
    await fill(subject);
  }
  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const workload of WORKLOADS) {
      for (const subject of list) {
        progress(`round ${round}: ${workload.name}, ${subject.name}`);
        samples.push({ round, ...(await sample(subject, workload)) });
      }
    }
  }
  progress('idle');
  const footprints = await measureIdle(list);
  showProgress(total, total, 'done');
  return {
    machine: { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version },
    samples,
    footprints,
  };
}

/** Reads must find data, not holes. */
async function fill(subject: Subject): Promise<void> {
  const workload: Workload = {
    ...{ name: 'fill', isWrite: true, depth: 8, unit: 'MB/s' },
    ...{ requestBytes: FILL_REQUEST_BYTES, count: SPAN_BYTES / FILL_REQUEST_BYTES },
  };
  const args = benchArguments(workload, subject.url, workload.count);
  await runOk('qemu-img', args, { timeoutMs: 300_000 });
}

async function sample(subject: Subject, workload: Workload): Promise<Omit<Sample, 'round'>> {
  const requests = count ?? workload.count;
  const before = cpuOf(subject);
  const startMs = performance.now();
  const args = benchArguments(workload, subject.url, requests);
  const output = await runOk('qemu-img', args, { timeoutMs: 300_000 });
  const seconds = (performance.now() - startMs) / 1000;
  return {
    subject: subject.name,
    workload: workload.name,
    value: resultOf(workload, requests, output),
    cpuPercent: cpuPercent(before, cpuOf(subject), seconds),
  };
}

async function measureIdle(list: readonly Subject[]): Promise<Footprint[]> {
  await new Promise((resume) => setTimeout(resume, SETTLE_MS));
  const before = list.map(cpuOf);
  await new Promise((resume) => setTimeout(resume, IDLE_MS));
  return list.flatMap((subject, index) => {
    const used = cpuPercent(before[index] ?? {}, cpuOf(subject), IDLE_MS / 1000);
    return Object.entries(subject.processes).map(([process, pid]) => ({
      subject: subject.name,
      process,
      idleCpuPercent: used[process] ?? Number.NaN,
      idleMiB: residentMiBOf(pid),
    }));
  });
}

function cpuOf(subject: Subject): Record<string, number> {
  return Object.fromEntries(
    Object.entries(subject.processes).map(([name, pid]) => [name, cpuSecondsOf(pid)]),
  );
}

function cpuPercent(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  seconds: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([name, used]) => [
      name,
      ((used - (before[name] ?? 0)) / seconds) * 100,
    ]),
  );
}

function showProgress(done: number, total: number, what: string): void {
  if (!process.stderr.isTTY) {
    process.stderr.write(`[${done}/${total}] ${what}\n`);
    return;
  }
  const width = 30;
  const filled = Math.round((done / total) * width);
  const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
  process.stderr.write(`\r\u001b[K${bar} ${what}${done === total ? '\n' : ''}`);
}
