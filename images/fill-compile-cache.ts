import { spawnSync } from 'node:child_process';

/**
 * `node fill-compile-cache.ts 'PROGRAM [WORD...]'...`: Node.js writes its compile cache when a process
 * exits, so each program runs once with what it cannot do: with an option that it does not know, unless
 * words say what it loads first. It refuses that in one line, or shows its help. Anything else is a
 * program that cannot even be loaded in this image.
 */
const UNKNOWN_OPTION = '--to-fill-the-compile-cache';

for (const command of process.argv.slice(2)) {
  const [program = '', ...words] = command.split(' ');
  const given = [program, ...(words.length === 0 ? [UNKNOWN_OPTION] : words)];
  const { status, stderr } = spawnSync(process.execPath, given, { encoding: 'utf8' });
  const isRefusal = status === 2 || (status === 1 && stderr.trim().split('\n').length === 1);
  if (status === 0 || isRefusal) continue;
  process.stderr.write(`${command}: expected a refusal in one line, got code ${status}\n${stderr}`);
  process.exit(1);
}
