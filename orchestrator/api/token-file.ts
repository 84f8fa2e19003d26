import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';
import type { ApiToken } from './access.ts';

export const TOKEN_FILE = 'token';

/** Nobody beyond this machine needs to know which directory that is. */
const PLACE = `the file "${TOKEN_FILE}" of the orchestrator's data directory`;

const TOKEN_BYTES = 32;
const TOKEN = /^[0-9a-f]{64}\n?$/;

/**
 * The token of the installation under `root`, in a file that only its owner may read; made at the
 * first start. To have another one, remove the file and start again.
 *
 * Errors: CORRUPT when the file holds something else, which nobody could show; IO_FAILED.
 */
export function openToken(root: string): ApiToken {
  const path = join(root, TOKEN_FILE);
  const text = readOrMake(path);
  if (TOKEN.test(text)) return { text: text.trim(), place: PLACE };
  throw new KeelsonError(
    'CORRUPT',
    `read the token in ${path}: expected ${TOKEN_BYTES * 2} digits of hex, found something else; ` +
      'remove the file to have a new one made',
  );
}

function readOrMake(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemCodeOf(cause) !== 'ENOENT') throw failed('read', path, cause);
  }
  try {
    return make(path);
  } catch (cause) {
    throw failed('make', path, cause);
  }
}

/** Whole and durable under its name, or not there: a crash leaves nothing that must be removed. */
function make(path: string): string {
  const text = `${randomBytes(TOKEN_BYTES).toString('hex')}\n`;
  const fd = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
  return text;
}

function failed(verb: string, path: string, cause: unknown): KeelsonError {
  return new KeelsonError('IO_FAILED', `${verb} the token in ${path}: ${messageOf(cause)}`, {
    cause,
  });
}
