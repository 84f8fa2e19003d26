import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What a scenario took, in ms, bytes and pieces. */
export interface Report {
  readonly name: string;
  /** The longest that one read, write or flush took, however often it was sent. */
  readonly longestStallMs: number;
  readonly stallOf: string;
  /** From the last thing that was done to all copies in sync; undefined when nothing was lost. */
  readonly healthyAfterMs: number | undefined;
  /** What the syncs compared and moved. */
  readonly syncedBytes: number;
  readonly ioErrors: number;
  /** Of its own. */
  readonly figures: Readonly<Record<string, number>>;
  /** What is wanted of the longest stall, in words; it depends on the machine. */
  readonly target?: string;
}

const HEADS = [
  'scenario',
  'longest stall',
  'wanted',
  'healthy after',
  'synced',
  'I/O errors',
  'more',
] as const;

/** A table for people. */
export function formatReports(reports: readonly Report[]): string {
  const rows = reports.map((report) => [
    report.name,
    `${report.longestStallMs} ms`,
    report.target ?? '-',
    report.healthyAfterMs === undefined ? '-' : `${report.healthyAfterMs} ms`,
    `${(report.syncedBytes / 1024 ** 2).toFixed(1)} MiB`,
    String(report.ioErrors),
    Object.entries(report.figures)
      .map(([figure, value]) => `${figure} ${value}`)
      .join(', '),
  ]);
  const widths = HEADS.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(HEADS), ...rows.map(line)].join('\n');
}

export function keepReports(path: string, reports: readonly Report[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(reports, undefined, 2)}\n`);
}
