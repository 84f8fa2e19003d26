import { parseArgs } from 'node:util';
import { isolateNetwork } from '../../support/isolated.ts';
import { runInteroperability } from './interoperability.ts';
import { formatStep, type Report, runScenario } from './scenario.ts';
import { startKeelsonTarget, startTgtTarget } from './target.ts';

const HELP = `npm run test:initiator -- [--times 1] [--target keelson|tgt] [--json]
npm run test:initiator -- --interoperability

A Linux initiator (open-iscsi in User-mode Linux) writes to the volume while processes are killed.
Each run starts afresh. --json prints one report per line and nothing else. Needs root.
--interoperability: CHAP, digests, reservations, discards and file systems instead, one line a check.
`;

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '1' },
    target: { type: 'string', default: 'keelson' },
    json: { type: 'boolean', default: false },
    interoperability: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const times = Number(values.times);
if (values.help || !(times >= 1) || !['keelson', 'tgt'].includes(values.target)) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}
if (times > 1) {
  await repeat();
} else {
  isolateNetwork();
  if (values.interoperability) {
    await runInteroperability((name) => process.stdout.write(`ok: ${name}\n`));
  } else {
    await runOnce();
  }
}

/** Each run gets a process, and with it a network namespace, of its own. */
async function repeat(): Promise<void> {
  const { spawnSync } = await import('node:child_process');
  const args = process.argv.slice(1).filter((word, index, words) => {
    return word !== '--times' && words[index - 1] !== '--times' && !word.startsWith('--times=');
  });
  let failures = 0;
  for (let round = 1; round <= times; round++) {
    process.stderr.write(`run ${round} of ${times}\n`);
    if (spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0) failures++;
  }
  process.stderr.write(`${times - failures} of ${times} runs passed\n`);
  process.exitCode = failures === 0 ? 0 : 1;
}

async function runOnce(): Promise<void> {
  const start = values.target === 'tgt' ? startTgtTarget : startKeelsonTarget;
  const target = await start();
  try {
    const report = await runScenario(target, (line) => process.stderr.write(`${line}\n`));
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : format(report));
    if (report.kernelErrors.length > 0) process.exitCode = 1;
  } finally {
    await target.stop();
  }
}

function format(report: Report): string {
  const lines = [
    ...report.steps.map(formatStep),
    `${report.recordCount} records and all files read back, the file system is clean`,
    ...report.kernelErrors.map((line) => `kernel: ${line}`),
    report.kernelErrors.length === 0
      ? 'the initiator saw no I/O error'
      : 'the initiator saw errors',
  ];
  return `${lines.join('\n')}\n`;
}
