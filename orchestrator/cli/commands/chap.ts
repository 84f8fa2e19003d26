import { randomBytes } from 'node:crypto';
import { type Command, defineCommand } from '../command.ts';
import { print } from '../output.ts';

/** As much as RFC 7143 section 12.1.3 asks for means to make; 32 characters as text. */
const CHAP_SECRET_BYTES = 16;

const secret = defineCommand({
  words: 'chap secret',
  about: 'print a new random secret for CHAP',
  options: {},
  details: 'Nothing is stored, and no orchestrator is asked.',
  example: 'keelson chap secret',
  async run(call) {
    const text = randomBytes(CHAP_SECRET_BYTES).toString('hex');
    await print(call, { secret: text }, { table: `${text}\n` });
  },
});

export const CHAP_COMMANDS: readonly Command[] = [secret];
