import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemCodeOf } from './errors.ts';

/** Lies in every node's directory: tells the node's own disk from an empty mount point. */
export const MARKER_NAME = '.keelson-node';

/** Which node of which installation a directory belongs to. */
export interface NodeIdentity {
  readonly node: string;
  readonly installation: string;
}

/**
 * Makes a node's directory and its marker. Leaves alone what is there already: whether it is right,
 * `whyDown` tells.
 */
export function prepareNodeDirectory(directory: string, identity: NodeIdentity): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const marker = join(directory, MARKER_NAME);
  if (existsSync(marker)) return;
  const file = openSync(marker, 'w', 0o600);
  try {
    writeSync(file, `${JSON.stringify(identity)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  // The orchestrator remembers that the marker is there, so it must not be forgotten before that.
  const parent = openSync(directory, 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}

/** Why nothing may be started on a node's directory, or undefined when it may. */
export function whyDown(directory: string, identity: NodeIdentity): string | undefined {
  const marker = join(directory, MARKER_NAME);
  let text: string;
  try {
    text = readFileSync(marker, 'utf8').trim();
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') return `${marker} is unreadable: ${messageOf(error)}`;
    return existsSync(directory)
      ? `${directory} has no ${MARKER_NAME}, so another disk or none is mounted there`
      : `${directory} is missing`;
  }
  const expected = JSON.stringify(identity);
  if (text !== expected) {
    return `${directory} belongs to another node: expected ${expected}, got ${text.slice(0, 200)}`;
  }
  try {
    accessSync(directory, constants.W_OK);
  } catch (error) {
    return `${directory} cannot be written: ${messageOf(error)}`;
  }
  return undefined;
}
