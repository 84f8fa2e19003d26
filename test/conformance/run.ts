import { parseArgs } from 'node:util';
import { canIsolateNetwork, isolateNetwork } from '../support/isolated.ts';
import { compareAll, judgeOne } from './compare.ts';
import { judgeAfterKill } from './kill.ts';

const HELP = `npm run conformance -- [--kill | URL [SECOND_URL]]

libiscsi's conformance suite, which overwrites the volume.

(nothing)   tgt, then Keelson volumes in one and in three copies, without and with CHAP, side by side
URL         the LUN there, for example iscsi://127.0.0.1:3260/iqn.2026-11.io.keelson:default.demo/0;
            the multipath tests need a SECOND_URL that leads to the same LUN
--kill      the reservation tests on a volume in three copies, whose controller is killed half-way

The last line is \`N passed, N failed, N skipped\`; a test counts as what was worst of it in all runs
on Keelson. Exit code 1 when one failed, or skipped without a line in expected-skips.md.
`;

const { values, positionals } = parseArgs({
  options: {
    kill: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});
if (values.help || positionals.length > 2) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}
const [url, secondUrl] = positionals;
const print = (text: string) => process.stdout.write(`${text}\n`);
if (url !== undefined) {
  process.exitCode = (await judgeOne({ url, secondUrl }, print)) ? 0 : 1;
} else {
  if (canIsolateNetwork()) isolateNetwork();
  const judge = values.kill ? judgeAfterKill : compareAll;
  process.exitCode = (await judge(print)) ? 0 : 1;
}
