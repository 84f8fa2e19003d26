import { assert } from '../common/assert.ts';
import { OPCODE, type Opcode, type Status } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { ConnectionId, ReplicaEffect } from './step.ts';

/** What a reply repeats of a request. */
export type Answerable = Pick<Frame, 'opcode' | 'seq'>;

/** A request that is answered later; without its payload, so that no receive buffer is kept. */
export interface Asker {
  readonly connection: ConnectionId;
  readonly frame: Answerable;
}

export function askerOf(connection: ConnectionId, { opcode, seq }: Frame): Asker {
  return { connection, frame: { opcode, seq } };
}

export function isRequest(opcode: Opcode): boolean {
  return REPLY_OPCODES.has(opcode);
}

export function reply(
  connection: ConnectionId,
  { opcode, seq }: Answerable,
  status: Status,
): Extract<ReplicaEffect, { kind: 'reply' }> {
  const replyOpcode = REPLY_OPCODES.get(opcode);
  assert(replyOpcode !== undefined, 'only requests are answered', { opcode });
  return { kind: 'reply', connection, opcode: replyOpcode, seq, status };
}

const REPLY_OPCODES: ReadonlyMap<Opcode, Opcode> = new Map([
  [OPCODE.READ, OPCODE.READ_REPLY],
  [OPCODE.WRITE, OPCODE.WRITE_REPLY],
  [OPCODE.FLUSH, OPCODE.FLUSH_REPLY],
  [OPCODE.TRIM, OPCODE.TRIM_REPLY],
  [OPCODE.STATUS, OPCODE.STATUS_REPLY],
  [OPCODE.HEARTBEAT, OPCODE.HEARTBEAT_REPLY],
  [OPCODE.GOODBYE, OPCODE.GOODBYE_REPLY],
  [OPCODE.STAMPS, OPCODE.STAMPS_REPLY],
  [OPCODE.HASHES, OPCODE.HASHES_REPLY],
  [OPCODE.MARK, OPCODE.MARK_REPLY],
  [OPCODE.CHECKPOINT, OPCODE.CHECKPOINT_REPLY],
  [OPCODE.MAP, OPCODE.MAP_REPLY],
  [OPCODE.STORE, OPCODE.STORE_REPLY],
  [OPCODE.RESIZE, OPCODE.RESIZE_REPLY],
  [OPCODE.COMMIT, OPCODE.COMMIT_REPLY],
]);
