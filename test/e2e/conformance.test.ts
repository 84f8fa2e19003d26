import { countOf, runSuite } from '../conformance/suite.ts';
import { columnOf, formatTable } from '../conformance/table.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';

/** What tgt reached with the same 230 tests; Keelson must not be worse (B3). */
const TGT_PASSED = 157;
const TGT_FAILED = 11;

let keelson: Keelson;

beforeAll(async () => {
  keelson = await startKeelson();
});
afterAll(() => keelson?.stop());

test("B3 S44 a volume with three copies does at least as well in libiscsi's conformance suite as tgt", async () => {
  const before = keelson.processes().map(({ pid }) => pid);
  const results = await runSuite(keelson.url, { secondUrl: keelson.url });
  process.stderr.write(`${formatTable([columnOf('3 copies', results)])}\n`);
  expect(countOf(results, 'passed')).toBeGreaterThanOrEqual(TGT_PASSED);
  expect(countOf(results, 'failed')).toBeLessThanOrEqual(TGT_FAILED);
  expect(keelson.processes().map(({ pid }) => pid)).toEqual(before);
});
