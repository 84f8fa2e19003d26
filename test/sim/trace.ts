import type { Membership } from '../../controller/protocol/membership.ts';
import type { VolumeOperation, VolumeOutcome } from '../../controller/volume/operation.ts';
import type { VolumeEffect } from '../../controller/volume/step.ts';
import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { FLAG, OPCODE, type Opcode, STATUS } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import { type Block, decodeBlocks, stampOfData } from './content.ts';
import type { ToController, ToReplica } from './network.ts';
import type { Scheduler } from './scheduler.ts';

/** What happened, in lines that a person can read. Costs nothing while nobody listens. */
export class Trace {
  /** Gets every line. */
  listener: ((line: string) => void) | undefined;
  /** Faults are always kept: they are what whoever looks into a failure asks for first. */
  readonly faults: string[] = [];
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  fault(what: string): void {
    this.faults.push(`${this.#scheduler.nowMs.toFixed(1)} ms: ${what}`);
    this.#add(`!! ${what}`);
  }

  message(from: string, to: string, message: ToReplica | ToController): void {
    if (this.listener === undefined) return;
    this.#add(`${from} → ${to}  ${describeMessage(message)}`);
  }

  notice(who: string, { message, fields }: Extract<VolumeEffect, { kind: 'notice' }>): void {
    if (this.listener === undefined) return;
    const details = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
    this.#add(`${who}: ${[message, ...details].join(' ')}`);
  }

  stop(who: string, { kind, ...fields }: { kind: string }): void {
    this.#add(`${who} ${kind}: ${Object.values(fields).join(', ')}`);
  }

  submitted(who: string, number: number, operation: VolumeOperation): void {
    if (this.listener === undefined) return;
    this.#add(`${who} #${number} ${describeOperation(operation)}`);
  }

  completed(who: string, number: number, outcome: VolumeOutcome): void {
    if (this.listener === undefined) return;
    this.#add(`${who} #${number} ${describeOutcome(outcome)}`);
  }

  record(membership: Membership): void {
    if (this.listener === undefined) return;
    this.#add(`record  ${describeRecord(membership)}`);
  }

  other(what: string): void {
    this.#add(what);
  }

  #add(what: string): void {
    this.listener?.(`${this.#scheduler.nowMs.toFixed(1).padStart(8)}  ${what}`);
  }
}

const OPCODE_NAMES = namesOf(OPCODE);
const STATUS_NAMES = namesOf(STATUS);

function namesOf(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, number]) => [number, name]));
}

/** Epoch and count: see `nextSession` in replica/core/replica.ts. */
function describeSession(session: number): string {
  return `${Math.floor(session / 2 ** 20)}.${session % 2 ** 20}`;
}

export function describeMessage(message: ToReplica | ToController): string {
  switch (message.kind) {
    case 'hello': {
      const { instanceId, epoch, replicaId, dataId } = message.hello;
      return `HELLO ${replicaId} from ${instanceId}, epoch ${epoch}, data ${dataId}`;
    }
    case 'welcome': {
      const { dataId, session, restart, tail, leases } = message.welcome;
      const ranges = tail.map(({ start, end }) => describeBlocks(start, end - start));
      const leased = leases.map(({ instanceId }) => instanceId);
      return [
        `WELCOME data ${dataId}, session ${describeSession(session)}, restart ${restart}`,
        ...(ranges.length === 0 ? [] : [`tail ${ranges.join(' ')}`]),
        ...(leased.length === 0 ? [] : [`leased to ${leased.join(' ')}`]),
      ].join(', ');
    }
    case 'refused':
      return `REFUSED ${message.refusal.code}: ${message.refusal.message}`;
    case 'frame':
      return describeFrame(message.frame);
    case 'closed':
      return 'closed';
  }
}

export function describeFrame(frame: Frame): string {
  const { opcode, seq, status, length, offset, generation } = frame;
  const parts = [`${OPCODE_NAMES.get(opcode)} ${seq}`];
  if (length > 0 && opcode !== OPCODE.HEARTBEAT) parts.push(describeBlocks(offset, length));
  if (CARRIES_BLOCKS.includes(opcode)) parts.push(`= ${describeContent(frame)}`);
  if (generation > 0) parts.push(`g${generation === 0xffff_ffff ? '?' : generation}`);
  if (has(frame, FLAG.FUA)) parts.push('FUA');
  if (has(frame, FLAG.ASSIGN)) parts.push('ASSIGN');
  if (has(frame, FLAG.ATOMIC)) parts.push('ATOMIC');
  if (has(frame, FLAG.STAGED)) parts.push('STAGED');
  if (opcode < OPCODE.READ_REPLY) parts.push(`stable ${frame.stableSeq}`);
  if (status !== STATUS.OK) parts.push(STATUS_NAMES.get(status) ?? `status ${status}`);
  return parts.join(' ');
}

const CARRIES_BLOCKS: readonly Opcode[] = [OPCODE.WRITE, OPCODE.READ_REPLY];

function describeContent(frame: Frame): string {
  if (has(frame, FLAG.ZERO)) return 'zeros';
  return summarise(decodeBlocks(frame.payload));
}

/** `7 ×3 0 ×2` */
export function summarise(blocks: readonly Block[]): string {
  const runs: { content: string; count: number }[] = [];
  for (const block of blocks) {
    const content = typeof block === 'number' ? String(block) : `torn(${block.join('|')})`;
    const last = runs.at(-1);
    if (last?.content === content) last.count += 1;
    else runs.push({ content, count: 1 });
  }
  return runs.map(({ content, count }) => (count > 1 ? `${content}×${count}` : content)).join(' ');
}

function has({ flags }: Frame, flag: number): boolean {
  return (flags & flag) !== 0;
}

function describeBlocks(offset: number, length: number): string {
  const [first, end] = [offset / BLOCK_BYTES, (offset + length) / BLOCK_BYTES];
  return end - first === 1 ? `block ${first}` : `blocks ${first}–${end - 1}`;
}

export function describeOperation(operation: VolumeOperation): string {
  switch (operation.kind) {
    case 'read':
    case 'trim':
    case 'map':
      return `${operation.kind} ${describeBlocks(operation.offset, operation.length)}`;
    case 'write': {
      const { offset, data, fua, isAtomic } = operation;
      const where = describeBlocks(offset, data.length);
      const how = `${fua ? ' FUA' : ''}${isAtomic === true ? ' ATOMIC' : ''}`;
      return `write ${where} = ${stampOfData(data)}${how}`;
    }
    case 'flush':
    case 'load':
      return operation.kind;
    case 'store':
      return `store ${operation.data.length} bytes`;
  }
}

export function describeOutcome(outcome: VolumeOutcome): string {
  if (!outcome.ok) return outcome.reason;
  return outcome.data === undefined ? 'ok' : `ok = ${summarise(decodeBlocks(outcome.data))}`;
}

export function describeRecord({ epoch, generation, controller, copies }: Membership): string {
  const list = Object.entries(copies).map(
    ([replicaId, copy]) => `${replicaId} ${copy.state} g${copy.generation}`,
  );
  return `epoch ${epoch} (${controller?.instanceId}), generation ${generation}: ${list.join(', ')}`;
}
