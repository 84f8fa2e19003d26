import { nodeCryptography } from '../../controller/io/cryptography.ts';
import type { Access } from '../../controller/iscsi/access.ts';
import { NO_BYTES } from '../../controller/iscsi/bhs.ts';
import {
  COMMAND_FLAG,
  FINAL,
  IMMEDIATE,
  NO_TAG,
  REQUEST,
} from '../../controller/iscsi/constants.ts';
import { type Digests, NO_DIGESTS } from '../../controller/iscsi/digest.ts';
import type { Pdu, TargetEffect, TargetEvent } from '../../controller/iscsi/step.ts';
import { IscsiTarget } from '../../controller/iscsi/target.ts';
import type { ScsiOutcome } from '../../controller/scsi/plan.ts';

export const TARGET_NAME = 'iqn.2026-01.io.keelson:default.vol1';
export const INITIATOR_NAME = 'iqn.2026-01.io.keelson:tester';

export function makeTarget(access: Partial<Access> = {}): IscsiTarget {
  const config = {
    targetName: TARGET_NAME,
    targetAlias: 'default/vol1',
    portal: '127.0.1.1:3260',
    portalGroupTag: 1,
  } as const;
  return new IscsiTarget(config, {
    access: { initiators: [], chap: null, ...access },
    cryptography: nodeCryptography,
  });
}

/** Fields by byte offset: one byte below offset 8 (and for 36, 37), else four bytes. */
export interface PduFields {
  readonly opcode: number;
  readonly flags?: number;
  readonly itt?: number;
  readonly words?: Readonly<Record<number, number>>;
  readonly bytes?: Readonly<Record<number, number>>;
  readonly data?: Buffer;
}

export function makePdu(fields: PduFields): Pdu {
  const data = fields.data ?? Buffer.alloc(0);
  const header = Buffer.alloc(48);
  header[0] = fields.opcode;
  header[1] = fields.flags ?? FINAL;
  header.writeUIntBE(data.length, 5, 3);
  header.writeUInt32BE(fields.itt ?? 1, 16);
  for (const [at, value] of Object.entries(fields.words ?? {})) {
    header.writeUInt32BE(value >>> 0, Number(at));
  }
  for (const [at, value] of Object.entries(fields.bytes ?? {})) header[Number(at)] = value;
  return { header, ahs: Buffer.alloc(0), data };
}

/** The PDU as it travels. */
export function wireBytes(pdu: Pdu, digests: Digests = NO_DIGESTS): Buffer {
  const header = Buffer.concat([pdu.header, pdu.ahs]);
  const data = Buffer.concat([pdu.data, Buffer.alloc(-pdu.data.length & 3)]);
  return Buffer.concat([
    header,
    digests.header ? digestBytes(header) : NO_BYTES,
    data,
    digests.data && data.length > 0 ? digestBytes(data) : NO_BYTES,
  ]);
}

/** CRC-32C (RFC 7143 section 13.1) in the plainest way, as a check on the one that the target uses. */
export function digestBytes(covered: Buffer): Buffer {
  let rest = 0xffffffff;
  for (const byte of covered) rest = (rest >>> 8) ^ (CRC_TABLE[(rest ^ byte) & 0xff] as number);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(~rest >>> 0);
  return bytes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let rest = index;
  for (let bit = 0; bit < 8; bit += 1) rest = (rest >>> 1) ^ ((rest & 1) === 1 ? 0x82f63b78 : 0);
  return rest;
});

export function text(...pairs: string[]): Buffer {
  return Buffer.from(pairs.map((pair) => `${pair}\0`).join(''));
}

export const GOOD: ScsiOutcome = {
  status: 0,
  dataIn: Buffer.alloc(0),
  sense: undefined,
  transferBytes: 0,
};

export type Sent = Extract<TargetEffect, { kind: 'send' }>;
export type Executed = Extract<TargetEffect, { kind: 'execute' }>;

/** One connection of an initiator to a target, driven by hand. */
export class TestInitiator {
  readonly target: IscsiTarget;
  readonly connection: number;
  /** Effects of the last step. */
  effects: TargetEffect[] = [];
  cmdSN = 100;
  nowMs = 0;
  #lastItt = 0x1000;

  constructor(target: IscsiTarget, connection = 1, from: { peer?: string; nowMs?: number } = {}) {
    this.target = target;
    this.connection = connection;
    this.nowMs = from.nowMs ?? 0;
    const peer = from.peer ?? '127.0.0.1:4000';
    this.step({ kind: 'opened', connection, peer, nowMs: this.nowMs });
  }

  step(event: TargetEvent): TargetEffect[] {
    this.effects = [];
    this.target.step(event, this.effects);
    return this.effects;
  }

  send(pdu: Pdu): TargetEffect[] {
    return this.step({ kind: 'pdu', connection: this.connection, pdu, nowMs: this.nowMs });
  }

  done(task: number, outcome: Partial<ScsiOutcome> = {}): TargetEffect[] {
    return this.step({
      kind: 'task-done',
      task,
      outcome: { ...GOOD, ...outcome },
      nowMs: this.nowMs,
    });
  }

  sent(): Sent[] {
    return this.effects.filter((effect) => effect.kind === 'send');
  }

  /** The one PDU that the last step sent. */
  only(): Sent {
    const sent = this.sent();
    if (sent.length !== 1) throw new Error(`expected one PDU, got ${sent.length}`);
    return sent[0] as Sent;
  }

  executed(): Executed[] {
    return this.effects.filter((effect) => effect.kind === 'execute');
  }

  kinds(): string[] {
    return this.effects.map((effect) => effect.kind);
  }

  loginPdu(flags: number, data: Buffer, bytes: Record<number, number> = {}): Pdu {
    return makePdu({
      opcode: REQUEST.LOGIN | IMMEDIATE,
      flags,
      itt: 7,
      words: { 8: 0x00023d00, 24: this.cmdSN },
      bytes: { 13: this.connection === 0 ? 1 : 0, ...bytes },
      data,
    });
  }

  /** Logs in directly to the operational stage and on to the full feature phase. */
  login(...keys: string[]): this {
    const names = [`InitiatorName=${INITIATOR_NAME}`, `TargetName=${TARGET_NAME}`];
    return this.loginAs(names, keys);
  }

  loginAs(names: string[], keys: string[] = [], bytes: Record<number, number> = {}): this {
    this.send(this.loginPdu(0x87, text(...names, ...keys), bytes));
    const answer = this.only().header;
    if (answer.readUInt16BE(36) !== 0) throw new Error(`login refused ${answer.toString('hex')}`);
    return this;
  }

  nextItt(): number {
    this.#lastItt += 1;
    return this.#lastItt;
  }

  takeCmdSN(): number {
    const cmdSN = this.cmdSN;
    this.cmdSN = (this.cmdSN + 1) >>> 0;
    return cmdSN;
  }

  /** A SCSI command PDU with the next CmdSN. Without `write` or `read` it moves no data. */
  command(options: {
    read?: number;
    write?: number;
    data?: Buffer;
    isFinal?: boolean;
    itt?: number;
  }): Pdu {
    const { read, write } = options;
    const direction =
      (read === undefined ? 0 : COMMAND_FLAG.READ) | (write === undefined ? 0 : COMMAND_FLAG.WRITE);
    return makePdu({
      opcode: REQUEST.SCSI_COMMAND,
      flags: (options.isFinal === false ? 0 : FINAL) | direction,
      itt: options.itt ?? this.nextItt(),
      words: { 20: read ?? write ?? 0, 24: this.takeCmdSN() },
      bytes: { 32: write === undefined ? 0x28 : 0x2a },
      ...(options.data === undefined ? {} : { data: options.data }),
    });
  }

  dataOut(fields: {
    itt: number;
    ttt?: number;
    offset: number;
    dataSN: number;
    data: Buffer;
    isFinal?: boolean;
  }): Pdu {
    return makePdu({
      opcode: REQUEST.DATA_OUT,
      flags: fields.isFinal === false ? 0 : FINAL,
      itt: fields.itt,
      words: { 20: fields.ttt ?? NO_TAG, 36: fields.dataSN, 40: fields.offset },
      data: fields.data,
    });
  }

  /** An immediate task management request. */
  manage(fn: number, fields: { referencedTag?: number; lun?: number; itt?: number } = {}): Pdu {
    return makePdu({
      opcode: REQUEST.TASK_MANAGEMENT | IMMEDIATE,
      flags: FINAL | fn,
      itt: fields.itt ?? this.nextItt(),
      words: { 20: fields.referencedTag ?? NO_TAG, 24: this.cmdSN },
      bytes: { 9: fields.lun ?? 0 },
    });
  }
}

/** A seeded generator (mulberry32) of numbers in [0, 1): the same seed, the same numbers. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
