/** One `qemu-img bench` run. Offsets advance by the request size and wrap within SPAN_BYTES. */
export interface Workload {
  readonly name: string;
  readonly isWrite: boolean;
  readonly requestBytes: number;
  readonly depth: number;
  /** Requests of one run: about a second of work for an unreplicated target. */
  readonly count: number;
  readonly unit: 'IOPS' | 'MB/s';
}

/** What every workload reads and writes; filled with a pattern before the first read. */
export const SPAN_BYTES = 1024 ** 3;

const KIB = 1024;
const small = { requestBytes: 4 * KIB, unit: 'IOPS' } as const;
const large = { requestBytes: 128 * KIB, unit: 'MB/s' } as const;

export const WORKLOADS: readonly Workload[] = [
  { name: '4K write, depth 32', isWrite: true, depth: 32, count: 60_000, ...small },
  { name: '4K read, depth 32', isWrite: false, depth: 32, count: 60_000, ...small },
  { name: '4K write, depth 1', isWrite: true, depth: 1, count: 15_000, ...small },
  { name: '4K read, depth 1', isWrite: false, depth: 1, count: 15_000, ...small },
  { name: '128K write, depth 16', isWrite: true, depth: 16, count: 6_000, ...large },
  { name: '128K read, depth 16', isWrite: false, depth: 16, count: 6_000, ...large },
];

export function benchArguments(workload: Workload, url: string, count: number): string[] {
  const { depth, requestBytes, isWrite } = workload;
  const shape = ['-c', String(count), '-d', String(depth), '-s', String(requestBytes)];
  const write = isWrite ? ['-w', '--pattern', '90'] : [];
  return ['bench', '-t', 'none', '-f', 'raw', ...shape, ...write, url];
}

/** Errors: throws when qemu-img printed no time. */
export function resultOf(workload: Workload, count: number, output: string): number {
  const seconds = Number(/Run completed in ([\d.]+) seconds/.exec(output)?.[1]);
  if (!(seconds > 0)) throw new Error(`qemu-img bench: expected a time, got\n${output}`);
  const perSecond = count / seconds;
  return workload.unit === 'IOPS' ? perSecond : (perSecond * workload.requestBytes) / 1e6;
}
