import { setTimeout as pause } from 'node:timers/promises';
import type { Answer } from '../chaos/initiator/answers.ts';
import { makeRead, makeWrite, type ScsiCommand } from '../chaos/initiator/commands.ts';
import { logIn } from '../chaos/initiator/login.ts';

/**
 * `node zombie-probe.ts HOST PORT TARGET`: what a controller does for an initiator on its own side of
 * a partition. Prints `{ login, read, write }` as JSON: what became of each, `good` where it was done.
 */
const [host = '', port = '', targetName = ''] = process.argv.slice(2);

/** Longer than any answer takes that comes at all; I/O that nobody may do is held for up to 20 s. */
const LIMIT_MS = 5_000;

const BLOCK_BYTES = 4096;
const range = { offsetBytes: 0, lengthBytes: BLOCK_BYTES };
const initiatorName = 'iqn.2026-11.io.keelson:zombie-probe';

const session = await logIn({ host, port: Number(port), targetName, initiatorName });
const outcome =
  typeof session === 'string'
    ? { login: session, read: 'no session', write: 'no session' }
    : {
        login: 'good',
        read: await attempt(makeRead(range, 10)),
        write: await attempt(makeWrite(0, Buffer.alloc(BLOCK_BYTES), { form: 10, isForced: true })),
      };
process.stdout.write(`${JSON.stringify(outcome)}\n`);
process.exit(0);

/** The first answer to a new session is that something happened before it: that is asked again. */
async function attempt(command: ScsiCommand): Promise<string> {
  if (typeof session === 'string') return session;
  const late = pause(LIMIT_MS, { kind: 'lost', reason: 'no answer' } as Answer);
  const answer = await Promise.race([session.execute(command), late]);
  if (answer.kind === 'good') return 'good';
  return answer.reason.startsWith('UNIT ATTENTION') ? attempt(command) : answer.reason;
}
