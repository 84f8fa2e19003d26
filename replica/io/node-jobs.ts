import { chownSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { KeelsonError, messageOf } from '../common/errors.ts';
import {
  MARKER_NAME,
  type NodeIdentity,
  prepareNodeDirectory,
  whyDown,
} from '../common/node-directory.ts';
import { invalidOption, readCommandLine } from '../common/process-options.ts';

/**
 * What the orchestrator cannot do itself on a node whose disk it does not see: it runs these once, in
 * a container on that node.
 *
 *   prepare-node --directory DIR --node NAME --installation ID [--owner UID]
 *   check-node   --directory DIR --node NAME --installation ID
 *   erase-copy   --directory DIR --node NAME --installation ID --copy NAME
 */
export const NODE_JOBS = ['prepare-node', 'check-node', 'erase-copy'] as const;

const OPTIONS = ['directory', 'node', 'installation', 'owner', 'copy'] as const;

export type NodeJob = (typeof NODE_JOBS)[number];

export function isNodeJob(word: string | undefined): word is NodeJob {
  return NODE_JOBS.some((job) => job === word);
}

/** Errors: INVALID_ARGUMENT; WRONG_DISK when the directory is missing or another node's; IO_FAILED. */
export async function runNodeJob(job: NodeJob, args: readonly string[]): Promise<void> {
  const { required, optional } = readCommandLine(args, OPTIONS);
  const directory = required('directory');
  const identity = { node: required('node'), installation: required('installation') };
  if (job === 'prepare-node') prepareNode(directory, identity, optional('owner'));
  const reason = whyDown(directory, identity);
  if (reason !== undefined) throw new KeelsonError('WRONG_DISK', reason);
  if (job === 'erase-copy') await eraseCopy(directory, required('copy'));
}

function prepareNode(directory: string, identity: NodeIdentity, owner: string | undefined): void {
  const uid = owner === undefined ? undefined : readOwner(owner);
  try {
    prepareNodeDirectory(directory, identity);
    if (uid !== undefined && whyDown(directory, identity) === undefined) giveTo(directory, uid);
  } catch (cause) {
    const message = `prepare node ${identity.node} in ${directory}: ${messageOf(cause)}`;
    throw new KeelsonError('IO_FAILED', message, { cause });
  }
}

/** Replicas run without any privilege: the node's directory is to be theirs. */
function giveTo(directory: string, owner: number): void {
  for (const path of [directory, join(directory, MARKER_NAME)]) {
    if (statSync(path).uid !== owner) chownSync(path, owner, owner);
  }
}

async function eraseCopy(directory: string, copy: string): Promise<void> {
  const path = join(directory, copy);
  // One name below the node's directory, or a mistyped command would take a node's data with it.
  const below = relative(directory, path);
  if (below === '' || below.startsWith('.') || below.includes('/') || isAbsolute(below)) {
    throw invalidOption(`--copy: expected the name of a copy's directory, got ${below || 'none'}`);
  }
  try {
    await rm(path, { recursive: true, force: true });
  } catch (cause) {
    throw new KeelsonError('IO_FAILED', `erase ${path}: ${messageOf(cause)}`, { cause });
  }
}

function readOwner(text: string): number {
  const owner = Number(text);
  if (/^\d{1,10}$/.test(text) && owner <= 0xffff_fffe) return owner;
  throw invalidOption(`--owner: expected a user id, got ${text.slice(0, 40)}`);
}
