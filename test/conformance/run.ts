import { parseArgs } from 'node:util';
import { startKeelson } from '../support/keelson.ts';
import { startTgt } from '../support/tgt.ts';
import { formatSuites, formatTotal, runSuite } from './suite.ts';

const HELP = `npm run conformance -- [URL]

libiscsi's conformance suite (it overwrites the volume) against the LUN at URL, for example
iscsi://127.0.0.1:3260/iqn.2026-11.io.keelson:default.demo/0; without one against tgt and then
Keelson's demo volume in three copies. Exit code 1 when anything failed on URL or on Keelson.
`;
const GIB = 1024 ** 3;

const { values, positionals } = parseArgs({
  options: { help: { type: 'boolean', short: 'h', default: false } },
  allowPositionals: true,
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const [url] = positionals;
if (url === undefined) await compare();
else await judge(url, url);

async function compare(): Promise<void> {
  const tgt = await startTgt({ portal: '127.0.0.1:3970', sizeBytes: GIB });
  try {
    await judge('tgt', tgt.url);
  } finally {
    await tgt.stop();
  }
  const keelson = await startKeelson();
  try {
    await judge('Keelson, 3 copies', keelson.url);
  } finally {
    await keelson.stop();
  }
}

/** The exit code is that of the last one judged. */
async function judge(name: string, target: string): Promise<void> {
  const results = await runSuite(target);
  process.stdout.write(`${name}\n${formatSuites(results)}\n${formatTotal(results)}\n`);
  process.exitCode = results.some((result) => result.verdict === 'failed') ? 1 : 0;
}
