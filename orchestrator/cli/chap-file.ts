import { type FileHandle, open } from 'node:fs/promises';
import {
  type ChapCredentials,
  type ChapUser,
  whyInvalidChap,
} from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';

/** Who but the owner may read it. A pipe, such as `<(pass show volume)`, is the owner's alone. */
const OTHERS_MASK = 0o077;

/**
 * Reads CHAP credentials. Secrets come by a file because a command line can be read by everybody.
 *
 *   user NAME SECRET         an initiator that may log in; several lines, one user each
 *   mutual-user NAME SECRET  what the target proves itself with; at most one line
 *   allow-short-secrets      where IPsec protects the network: secrets below 12 bytes
 *
 * Empty lines and lines that begin with # count for nothing.
 *
 * Errors: INVALID_ARGUMENT, naming file and line and showing nothing of it; IO_FAILED.
 */
export async function readChapFile(path: string): Promise<ChapCredentials> {
  const credentials = parseChapFile(path, await readPrivate(path));
  const reason = whyInvalidChap(credentials);
  if (reason === undefined) return credentials;
  throw new KeelsonError('INVALID_ARGUMENT', `CHAP file ${path}: ${reason}`);
}

function parseChapFile(path: string, text: string): ChapCredentials {
  const users: ChapUser[] = [];
  let mutual: ChapUser | null = null;
  let allowsShortSecrets = false;
  for (const [index, line] of text.split('\n').entries()) {
    const [keyword = '', name, secret, ...rest] = line.trim().split(/\s+/);
    if (keyword === '' || keyword.startsWith('#')) continue;
    const user = name === undefined || secret === undefined ? undefined : { name, secret };
    if (keyword === 'allow-short-secrets' && name === undefined) allowsShortSecrets = true;
    else if (user === undefined || rest.length > 0) throw wrongLine(path, index);
    else if (keyword === 'user') users.push(user);
    else if (keyword === 'mutual-user' && mutual === null) mutual = user;
    else throw wrongLine(path, index);
  }
  return { users, mutual, allowsShortSecrets };
}

async function readPrivate(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { mode } = await file.stat();
    if ((mode & OTHERS_MASK) !== 0) {
      throw new KeelsonError(
        'INVALID_ARGUMENT',
        `CHAP file ${path}: expected that only its owner may read it, got mode ${(mode & 0o777).toString(8)}; run chmod 600 ${path}`,
      );
    }
    return await file.readFile('utf8');
  } catch (cause) {
    if (cause instanceof KeelsonError) throw cause;
    throw new KeelsonError('IO_FAILED', `read the CHAP file: ${messageOf(cause)}`, { cause });
  } finally {
    await file?.close();
  }
}

function wrongLine(path: string, index: number): KeelsonError {
  return new KeelsonError(
    'INVALID_ARGUMENT',
    `CHAP file ${path}, line ${index + 1}: expected user NAME SECRET, one mutual-user NAME SECRET, ` +
      'allow-short-secrets, or # and a comment',
  );
}
