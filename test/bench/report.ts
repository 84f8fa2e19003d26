import { WORKLOADS } from './workloads.ts';

/** One run of one workload on one subject. */
export interface Sample {
  readonly round: number;
  readonly subject: string;
  readonly workload: string;
  readonly value: number;
  /** CPU of each process during the run, 100 = one core. */
  readonly cpuPercent: Readonly<Record<string, number>>;
}

/** Processes of a subject, by a readable name. */
export interface Footprint {
  readonly subject: string;
  readonly process: string;
  readonly idleCpuPercent: number;
  readonly idleMiB: number;
}

export interface BenchReport {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  readonly samples: readonly Sample[];
  readonly footprints: readonly Footprint[];
}

export const PEER = 'tgt';

/** Medians over the rounds, and the median of each round's ratio to the peer. */
export function formatReport(report: BenchReport): string {
  const subjects = [...new Set(report.samples.map((sample) => sample.subject))];
  const others = subjects.filter((subject) => subject !== PEER);
  const rows = WORKLOADS.map(({ name, unit }) => [
    `${name} (${unit})`,
    ...subjects.map((subject) => whole(median(valuesOf(report, name, subject)))),
    ...others.map((subject) => `${median(ratios(report, name, subject)).toFixed(2)}x`),
  ]);
  const head = ['', ...subjects, ...others.map((subject) => `${subject} / ${PEER}`)];
  return [
    formatTable([head, ...rows]),
    formatTable(cpuRows(report, subjects)),
    formatTable([
      ['idle, over 20 s', 'CPU %', 'RSS MiB'],
      ...report.footprints.map((footprint) => [
        `${footprint.subject}: ${footprint.process}`,
        footprint.idleCpuPercent.toFixed(2),
        whole(footprint.idleMiB),
      ]),
    ]),
  ].join('\n\n');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

function cpuRows(report: BenchReport, subjects: readonly string[]): string[][] {
  const names = subjects.flatMap((subject) => {
    const sample = report.samples.find((candidate) => candidate.subject === subject);
    return Object.keys(sample?.cpuPercent ?? {}).map((process) => ({ subject, process }));
  });
  return [
    ['CPU % while', ...WORKLOADS.map((workload) => workload.name)],
    ...names.map(({ subject, process }) => [
      `${subject}: ${process}`,
      ...WORKLOADS.map(({ name }) =>
        whole(
          median(
            report.samples
              .filter((sample) => sample.subject === subject && sample.workload === name)
              .map((sample) => sample.cpuPercent[process] ?? Number.NaN),
          ),
        ),
      ),
    ]),
  ];
}

function valuesOf(report: BenchReport, workload: string, subject: string): number[] {
  return report.samples
    .filter((sample) => sample.workload === workload && sample.subject === subject)
    .map((sample) => sample.value);
}

/** Rounds run the subjects right after each other, so a busy moment hits both sides of a ratio. */
function ratios(report: BenchReport, workload: string, subject: string): number[] {
  const peer = valuesOf(report, workload, PEER);
  return valuesOf(report, workload, subject).map((value, round) => value / (peer[round] ?? 0));
}

function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '-';
}

/** The first row is the head; all columns but the first are numbers. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return column === 0 ? cell.padEnd(width) : cell.padStart(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
