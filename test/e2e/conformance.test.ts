import { judgeSkips, readExpectedSkips } from '../conformance/expected-skips.ts';
import { runOnKeelson } from '../conformance/keelson-run.ts';
import { type KeelsonSubject, startKeelsonSubject } from '../conformance/subjects.ts';
import { countOf, nameOf } from '../conformance/suite.ts';
import { columnOf, formatTable } from '../conformance/table.ts';

/** What the suite has at least to say of a volume; tgt passes 162 and LIO 111 (B3). */
const MIN_PASSED = 205;
/** It asks for what the standard says otherwise (ADR 0017). */
const CONTRADICT_THE_STANDARD = ['GetLBAStatus.UnmapSingle'];

let subject: KeelsonSubject;

beforeAll(async () => {
  subject = await startKeelsonSubject({ copies: 3, hasChap: true });
});
afterAll(() => subject?.stop());

test("B3 S44 a volume with three copies does at least as well in libiscsi's conformance suite as tgt", async () => {
  const before = subject.keelson.processes().map(({ pid }) => pid);
  const results = await runOnKeelson(subject);
  process.stderr.write(`${formatTable([columnOf(subject.name, results)])}\n`);
  const failed = results.filter(({ verdict }) => verdict === 'failed').map(nameOf);
  expect(failed).toEqual(CONTRADICT_THE_STANDARD);
  expect(judgeSkips(results, readExpectedSkips())).toEqual({ unlisted: [], stale: [] });
  expect(countOf(results, 'passed')).toBeGreaterThanOrEqual(MIN_PASSED);
  expect(subject.keelson.processes().map(({ pid }) => pid)).toEqual(expect.arrayContaining(before));
});
