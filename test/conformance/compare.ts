import { conclude } from './conclude.ts';
import { runOnKeelson } from './keelson-run.ts';
import { readLio } from './lio.ts';
import { type Subject, startKeelsonSubject, startTgtSubject } from './subjects.ts';
import { formatTotal, runSuite, type TestResult, worstOf } from './suite.ts';
import { type Column, columnOf, formatTable } from './table.ts';

type Print = (text: string) => void;

/** Runs the suite on one LUN. Returns whether nothing failed and every skip is a listed one. */
export async function judgeOne(
  { url, secondUrl }: { url: string; secondUrl: string | undefined },
  print: Print,
): Promise<boolean> {
  const results = await runSuite(url, secondUrl === undefined ? {} : { secondUrl });
  print(formatTable([columnOf('here', results)]));
  return conclude(results, { isWhole: true, print });
}

/** Runs the suite on tgt and on every kind of Keelson volume, one after the other. */
export async function compareAll(print: Print): Promise<boolean> {
  const runOnTgt = ({ url }: Subject) => runSuite(url, { secondUrl: url });
  const tgt = await judge(startTgtSubject, runOnTgt, print);
  const keelson: { column: Column; results: TestResult[] }[] = [];
  for (const hasChap of [false, true]) {
    for (const copies of [1, 3]) {
      const start = () => startKeelsonSubject({ copies, hasChap });
      keelson.push(await judge(start, runOnKeelson, print));
    }
  }
  print(`\n${formatTable([tgt.column, readLio(), ...keelson.map(({ column }) => column)])}\n`);
  return conclude(worstOf(keelson.map(({ results }) => results)), { isWhole: true, print });
}

async function judge<T extends Subject>(
  start: () => Promise<T>,
  run: (subject: T) => Promise<TestResult[]>,
  print: Print,
): Promise<{ column: Column; results: TestResult[] }> {
  const subject = await start();
  try {
    const startMs = performance.now();
    const results = await run(subject);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
    print(`${subject.name}: ${formatTotal(results)} (${seconds} s)`);
    return { column: columnOf(subject.name, results), results };
  } finally {
    await subject.stop();
  }
}
