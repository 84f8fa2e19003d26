import { countOf, type TestResult, VERDICTS, type Verdict } from './suite.ts';

export type Counts = Readonly<Record<Verdict, number>>;

/** One target's results: a column of the table. */
export interface Column {
  readonly name: string;
  readonly bySuite: ReadonlyMap<string, Counts>;
}

export function columnOf(name: string, results: readonly TestResult[]): Column {
  const suites = [...new Set(results.map((result) => result.suite))];
  const counts = (suite: string) => {
    const own = results.filter((result) => result.suite === suite);
    return Object.fromEntries(
      VERDICTS.map((verdict) => [verdict, countOf(own, verdict)]),
    ) as unknown as Counts;
  };
  return { name, bySuite: new Map(suites.map((suite) => [suite, counts(suite)])) };
}

/** One row a suite, one column a target; each cell is `passed/skipped/failed`, `-` for none. */
export function formatTable(columns: readonly Column[]): string {
  const suites = [...new Set(columns.flatMap(({ bySuite }) => [...bySuite.keys()]))];
  const rows = [
    ['passed/skipped/failed', ...columns.map(({ name }) => name)],
    ...suites.map((suite) => [suite, ...columns.map(({ bySuite }) => cell(bySuite.get(suite)))]),
    ['all', ...columns.map(({ bySuite }) => cell(sum([...bySuite.values()])))],
  ];
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) =>
    row.map((text, at) => (at === 0 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!))),
  );
  return lines.map((line) => line.join('  ')).join('\n');
}

function cell(counts: Counts | undefined): string {
  if (counts === undefined) return '';
  return VERDICTS.map((verdict) => (counts[verdict] === 0 ? '-' : counts[verdict])).join('/');
}

function sum(list: readonly Counts[]): Counts {
  const total = (verdict: Verdict) => list.reduce((before, one) => before + one[verdict], 0);
  return { passed: total('passed'), skipped: total('skipped'), failed: total('failed') };
}
