import { DATA_IN_STATUS, RESPONSE } from '../../../controller/iscsi/constants.ts';
import { NO_DIGESTS } from '../../../controller/iscsi/digest.ts';
import { PduFramer } from '../../../controller/iscsi/framer.ts';
import {
  MAX_BURST_BYTES,
  MAX_IMMEDIATE,
  PING_AFTER_MS,
  QUEUE_DEPTH,
} from '../../../controller/iscsi/limits.ts';
import type { Pdu } from '../../../controller/iscsi/step.ts';
import type { ScsiOutcome } from '../../../controller/scsi/plan.ts';
import { MAX_IO_BYTES } from '../../../replica/common/limits.ts';
import { makePdu, makeTarget, TestInitiator } from '../../support/initiator-pdus.ts';
import type { SeededRandom } from '../../support/random.ts';
import { InputReader } from '../input.ts';
import { edgeNumber, mutate } from '../mutate.ts';
import { anyPdu, streamOf } from '../pdus.ts';
import { PortalOracle } from '../portal-oracle.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

const MAX_DATA_BYTES = 8192;

/** What an input may agree on with its first byte, a bit each. */
const KEYS: readonly (readonly string[])[] = [
  ['InitialR2T=No'],
  ['ImmediateData=No'],
  ['MaxBurstLength=512', 'FirstBurstLength=512'],
  ['MaxRecvDataSegmentLength=512'],
  ['MaxOutstandingR2T=8'],
  ['FirstBurstLength=262144', 'MaxBurstLength=1048576'],
];

/** The task's number decides when its command is done and what comes of it. */
const DATA_IN_BYTES = [0, 36, 512, 513, 8192, 70_000] as const;

/** Bits of the first byte behind those of `KEYS`. */
const OPTION = { DAMAGE: 0x40, SHUTDOWN: 0x80 } as const;
/** Between a sign of life that is asked for and the end of patience. */
const PING_MS = PING_AFTER_MS + 1_000;

/** Input: a byte of `KEYS` and `OPTION`, then the stream of an initiator that is logged in. */
export const iscsiSession: FuzzTarget = {
  name: 'iscsi-session',

  generate(random: SeededRandom): Buffer {
    const pdus: Pdu[] = [];
    for (let cmdSN = 100; pdus.length < 1 + random.below(12); ) {
      const pdu = random.chance(0.2) ? anyPdu(random, 64) : request(random);
      const isImmediate = (pdu.header[0]! & 0x40) !== 0;
      if (random.chance(0.9)) pdu.header.writeUInt32BE(cmdSN, 24);
      if (!isImmediate && pdu.header[0] !== 0x05) cmdSN += 1;
      pdus.push(pdu);
    }
    const stream = streamOf(pdus, NO_DIGESTS);
    return Buffer.concat([random.bytes(1), random.chance(0.5) ? stream : mutate(stream, random)]);
  },

  check(input: Buffer): void {
    const reader = new InputReader(input);
    const options = reader.byte();
    const keys = KEYS.filter((_, bit) => (options & (1 << bit)) !== 0).flat();
    const play = new Play([...new Map(keys.map((key) => [key.split('=')[0], key])).values()]);
    const pdus: Pdu[] = [];
    new PduFramer(MAX_DATA_BYTES).push(reader.rest(), pdus);
    for (const pdu of pdus) {
      // As the framer says of data whose digest is wrong; an odd tag will do for choosing some.
      const isDamaged = (options & OPTION.DAMAGE) !== 0 && (pdu.header[19]! & 1) !== 0;
      play.receive({ ...pdu, isDamaged: isDamaged && pdu.data.length > 0 });
    }
    play.end((options & OPTION.SHUTDOWN) !== 0);
  },
};

/** Commands, their data, and what manages them, with tags that are likely to meet. */
function request(random: SeededRandom): Pdu {
  const itt = random.below(3);
  const data = random.bytes(random.chance(0.5) ? 0 : random.below(600));
  switch (random.below(5)) {
    case 0:
      return makePdu({ opcode: 0x01, flags: 0xc0, itt, words: { 20: edgeNumber(random, 4) } });
    case 1: {
      const flags = random.chance(0.5) ? 0xa0 : 0x20;
      const words = { 20: random.chance(0.7) ? data.length + random.below(2048) : 0xffff_ffff };
      return makePdu({ opcode: 0x01, flags, itt, words, bytes: { 32: 0x2a }, data });
    }
    case 2: {
      const ttt = random.chance(0.5) ? 0xffff_ffff : 1 + random.below(4);
      const words = { 20: ttt, 36: random.below(3), 40: random.chance(0.5) ? 0 : data.length };
      return makePdu({ opcode: 0x05, flags: random.chance(0.6) ? 0x80 : 0, itt, words, data });
    }
    case 3: {
      const words = { 20: random.below(4), 24: 100 + random.below(4) };
      return makePdu({ opcode: 0x42, flags: 0x80 | (1 + random.below(8)), itt: 9, words });
    }
    default: {
      const opcode = random.pick([0x40, 0x00, 0x04, 0x06] as const);
      const words = { 20: random.chance(0.8) ? 0xffff_ffff : 1 };
      const body = opcode === 0x04 ? Buffer.from('SendTargets=All\0') : data;
      return makePdu({ opcode, flags: 0x80 | random.below(3), itt, words, data: body });
    }
  }
}

class Play {
  readonly #initiator: TestInitiator;
  readonly #oracle = new PortalOracle();
  /** By the tag of a command: how much data its initiator expects. */
  readonly #expectedBytes = new Map<number, number>();
  readonly #later: number[] = [];

  constructor(keys: readonly string[]) {
    const target = makeTarget();
    this.#initiator = new TestInitiator(target);
    this.#initiator.login(...keys);
    const segment = keys.find((key) => key.startsWith('MaxRecvDataSegmentLength='));
    this.#oracle.loggedIn(1, Number(segment?.split('=')[1] ?? 8192));
    this.#oracle.see(this.#initiator.effects);
  }

  receive(pdu: Pdu): void {
    if ((pdu.header[0]! & 0x3f) === 0x01) {
      const itt = pdu.header.readUInt32BE(16);
      const expected = pdu.header.readUInt32BE(20);
      // A tag may be used again, or rejected: the largest is what may come.
      this.#expectedBytes.set(itt, Math.max(expected, this.#expectedBytes.get(itt) ?? 0));
    }
    const due = this.#later.splice(0);
    this.#initiator.send(pdu);
    this.#see();
    for (const task of due) this.#finish(task);
  }

  end(isShutdown: boolean): void {
    this.#initiator.step({ kind: 'tick', nowMs: PING_MS });
    this.#see();
    if (isShutdown) {
      this.#initiator.step({ kind: 'shutdown', nowMs: PING_MS });
      this.#see();
    }
    for (const task of [...this.#oracle.tasks]) this.#finish(task);
    this.#initiator.step({ kind: 'closed', connection: 1, nowMs: 0 });
    this.#see();
    expectThat(this.#oracle.tasks.size === 0, 'a task outlives its connection');
    expectThat(this.#oracle.nexuses.size === 0, 'a nexus outlives its connection');
    expectThat(this.#initiator.target.sessionCount() === 0, 'a session outlives its connection');
    if (isShutdown) return;
    new TestInitiator(this.#initiator.target, 2).login();
    expectThat(this.#initiator.target.sessionCount() === 1, 'a good initiator is not let in');
  }

  #finish(task: number): void {
    if (!this.#oracle.tasks.delete(task)) return;
    this.#initiator.done(task, outcomeOf(task));
    this.#see();
  }

  #see(): void {
    const { effects } = this.#initiator;
    this.#oracle.see(effects);
    for (const effect of effects) {
      if (effect.kind === 'send') this.#seeSent(effect.header);
      if (effect.kind !== 'execute') continue;
      expectThat(effect.dataOut.length <= MAX_IO_BYTES, 'more data than one command may have');
      expectThat(effect.cdb.length >= 16, 'a CDB is 16 bytes at least', effect.cdb.length);
      if (effect.task % 3 === 1) this.#later.push(effect.task);
    }
    const limit = QUEUE_DEPTH + MAX_IMMEDIATE;
    expectThat(this.#oracle.tasks.size <= limit, 'more commands under way than the window admits');
    for (const effect of effects) {
      if (effect.kind === 'execute' && effect.task % 3 === 0) this.#finish(effect.task);
    }
  }

  #seeSent(header: Buffer): void {
    const opcode = header[0]! & 0x3f;
    if (opcode !== RESPONSE.DATA_IN && opcode !== RESPONSE.R2T) return;
    const expected = this.#expectedBytes.get(header.readUInt32BE(16));
    expectThat(expected !== undefined, 'data for a tag that was never used');
    const isR2t = opcode === RESPONSE.R2T;
    const length = isR2t ? header.readUInt32BE(44) : header.readUIntBE(5, 3);
    const end = header.readUInt32BE(40) + length;
    expectThat(end <= expected, 'data beyond what the initiator expects', { end, expected });
    if (isR2t) expectThat(length > 0 && length <= MAX_BURST_BYTES, 'an R2T of a burst', length);
    const hasStatus = !isR2t && (header[1]! & DATA_IN_STATUS) !== 0;
    expectThat(!hasStatus || (header[1]! & 0x80) !== 0, 'status in Data-In that is not the last');
  }
}

function outcomeOf(task: number): ScsiOutcome {
  const bytes = DATA_IN_BYTES[task % DATA_IN_BYTES.length]!;
  const isFailure = task % 5 === 4;
  return {
    status: isFailure ? 2 : 0,
    dataIn: isFailure ? Buffer.alloc(0) : Buffer.alloc(bytes, task),
    sense: isFailure ? Buffer.alloc(18, 0x70) : undefined,
    transferBytes: bytes,
  };
}
