import { readFile } from 'node:fs/promises';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Access } from './arguments.ts';

/**
 * The token of the API: in the file that is named, or in the environment. A command line can be read
 * by everybody, so no option holds it.
 *
 * Errors: INVALID_ARGUMENT, showing nothing of it; IO_FAILED.
 */
export async function readToken({ tokenFile, token }: Access): Promise<string | undefined> {
  if (tokenFile === undefined)
    return token === undefined ? undefined : check(token, '$KEELSON_TOKEN');
  return check(await readText(tokenFile), `token file ${tokenFile}`);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new KeelsonError('IO_FAILED', `read the token file: ${messageOf(cause)}`, { cause });
  }
}

/** What may stand in a header; the line end of an editor is no part of it. */
function check(text: string, where: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]{1,256}$/.test(token)) return token;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `${where}: expected one token of 1 to 256 visible characters, and nothing else`,
  );
}
