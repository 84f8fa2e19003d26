import { Controller, type ControllerEffects } from '../../../controller/core/controller.ts';
import { COMMAND_FLAG, FINAL, REQUEST, RESPONSE } from '../../../controller/iscsi/constants.ts';
import type { Pdu } from '../../../controller/iscsi/step.ts';
import { DeviceServer } from '../../../controller/scsi/device-server.ts';
import { OPCODE } from '../../../controller/scsi/opcode.ts';
import {
  INITIATOR_NAME,
  makePdu,
  makeTarget,
  TARGET_NAME,
  text,
} from '../../support/initiator-pdus.ts';
import type { SeededRandom } from '../../support/random.ts';
import { type AnyCommand, anyCommand, IDENTITY, reservationStory } from '../cdbs.ts';
import { FakeVolume, Medium } from '../fake-volume.ts';
import { counted, InputReader } from '../input.ts';
import { mutate } from '../mutate.ts';
import { withAhs } from '../pdus.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

const MEDIUM = new Medium(IDENTITY.sizeBytes);
const INITIATORS = 3;
const CDB_BYTES = 16;
/** More, and a window would be full while the volume is slow. */
const MAX_STEPS = 40;

/** What a step of the input does; the rest are commands. */
const STEP = {
  RESTART: 0,
  SLOW: 1,
  ANSWER: 2,
  FAIL: 3,
  MANAGE: 4,
  REOPEN: 5,
  DAMAGE: 6,
  LAST: 6,
} as const;
const FAILURES = [undefined, 'NOT_READY', 'NO_SPACE', 'IO_FAILED'] as const;

/** SAM-5 5.3: GOOD, CHECK CONDITION, BUSY, RESERVATION CONFLICT, TASK SET FULL, TASK ABORTED. */
const STATUSES: readonly number[] = [0x00, 0x02, 0x08, 0x18, 0x28, 0x40];
const CHECK_CONDITION = 0x02;
/** Service action of PERSISTENT RESERVE OUT (SPC-4 6.16.2). */
const PREEMPT_AND_ABORT = 0x05;

/**
 * Commands of three initiators through the whole controller, on a volume in memory. Input: the
 * attribute that the volume holds, then steps. A command is: a byte above `STEP.LAST`, the
 * initiator, the CDB, how much the initiator expects to read (in units of 64), and its data.
 */
export const scsi: FuzzTarget = {
  name: 'scsi',

  generate(random: SeededRandom): Buffer {
    const commands = random.chance(0.3)
      ? reservationStory(random, INITIATORS)
      : Array.from({ length: 1 + random.below(10) }, () => {
          return { initiator: random.below(INITIATORS), ...anyCommand(random) };
        });
    const steps = commands.map((command) => {
      const before = random.chance(0.2) ? anyEvent(random) : Buffer.alloc(0);
      return Buffer.concat([before, encodeCommand(command, random)]);
    });
    const attribute = random.chance(0.9) ? Buffer.alloc(0) : random.bytes(random.below(200));
    // Only with a slow volume are commands under way together: they overlap, wait and are aborted.
    if (random.chance(0.3)) steps.unshift(Buffer.from([STEP.SLOW, 1]));
    const input = Buffer.concat([counted(attribute), ...steps]);
    return random.chance(0.7) ? input : mutate(input, random);
  },

  check(input: Buffer): void {
    const reader = new InputReader(input);
    MEDIUM.reset(reader.counted());
    let play = new Play(MEDIUM);
    for (let steps = 0; steps < MAX_STEPS && !reader.isAtEnd; steps += 1) {
      const kind = reader.byte();
      if (kind === STEP.DAMAGE) damage(MEDIUM, reader);
      if (kind === STEP.RESTART || kind === STEP.DAMAGE) play = new Play(MEDIUM);
      else play.step(kind, reader);
    }
    play.end();
  },
};

function encodeCommand(
  { initiator, cdb, dataOut }: AnyCommand & { initiator: number },
  random: SeededRandom,
): Buffer {
  const fields = [STEP.LAST + 1, initiator, random.below(256)];
  return Buffer.concat([Buffer.from(fields), counted(cdb), counted(dataOut)]);
}

/** Something else than a command; what the volume has trouble with goes on until it is told. */
function anyEvent(random: SeededRandom): Buffer {
  return Buffer.from([random.below(STEP.LAST + 1), random.below(256), random.below(256)]);
}

/** What was stored is found again with a bit turned, by the next controller. */
function damage(medium: Medium, reader: InputReader): void {
  const [at, bit] = [reader.byte(), reader.byte() % 8];
  const { attribute } = medium;
  if (attribute.length === 0) return;
  const index = at % attribute.length;
  attribute[index] = attribute[index]! ^ (1 << bit);
}

/** One controller, from its start to its end. */
class Play {
  readonly #controller: Controller;
  readonly #volume: FakeVolume;
  readonly #effects: ControllerEffects = { portal: [], volume: [] };
  /** What was asked and not answered, by connection and tag: how much the initiator expects. */
  readonly #open = new Map<string, number>();
  readonly #cmdSNs = new Map<number, number>();
  /** By initiator. */
  readonly #connections: number[] = [];
  #lastConnection = 0;
  #lastTag = 0;
  #mayLoseAnswers = false;

  constructor(medium: Medium) {
    this.#volume = new FakeVolume(medium);
    this.#controller = new Controller({
      target: makeTarget(),
      device: new DeviceServer(IDENTITY),
      volume: this.#volume.asVolume(),
      release: () => undefined,
    });
    for (let initiator = 0; initiator < INITIATORS; initiator += 1) this.#logIn(initiator);
  }

  step(kind: number, reader: InputReader): void {
    switch (kind) {
      case STEP.SLOW:
        this.#volume.isSlow = (reader.byte() & 1) !== 0;
        if (!this.#volume.isSlow) this.#answerAll();
        return;
      case STEP.ANSWER:
        this.#answerAll();
        return;
      case STEP.FAIL:
        this.#volume.failure = FAILURES[reader.byte() % FAILURES.length];
        return;
      case STEP.MANAGE:
        this.#manage(this.#connectionOf(reader), reader.byte());
        return;
      case STEP.REOPEN:
        this.#reopen(reader.byte() % INITIATORS);
        return;
      default:
        this.#command(reader);
    }
  }

  /** All is answered, and the unit still does what it is for. */
  end(): void {
    this.#volume.isSlow = false;
    this.#volume.failure = undefined;
    // Work that was held up may ask for more.
    for (let round = 0; round < 10; round += 1) this.#answerAll();
    const isAnswered = this.#open.size === 0 || this.#mayLoseAnswers;
    expectThat(isAnswered, 'a command is not answered', [...this.#open.keys()]);
  }

  #command(reader: InputReader): void {
    const connection = this.#connectionOf(reader);
    const readBytes = reader.byte() * 64;
    const cdb = reader.counted();
    const data = Buffer.from(reader.counted().subarray(0, 65_536));
    // Commands of whoever is preempted, be it the sender itself, end without an answer.
    if (cdb[0] === OPCODE.PERSISTENT_RESERVE_OUT && ((cdb[1] ?? 0) & 0x1f) === PREEMPT_AND_ABORT) {
      this.#mayLoseAnswers = true;
    }
    const isWrite = data.length > 0;
    const expected = isWrite ? data.length : readBytes;
    const pdu = makePdu({
      opcode: REQUEST.SCSI_COMMAND,
      flags: FINAL | (isWrite ? COMMAND_FLAG.WRITE : COMMAND_FLAG.READ),
      itt: this.#nextTag(connection, expected),
      words: { 20: expected, 24: this.#takeCmdSN(connection) },
      data,
    });
    cdb.copy(pdu.header, 32, 0, CDB_BYTES);
    this.#send(connection, cdb.length > CDB_BYTES ? extended(pdu, cdb) : pdu);
  }

  /** A task management function, immediate; most of them end tasks without an answer. */
  #manage(connection: number, fn: number): void {
    this.#mayLoseAnswers = true;
    this.#lastTag += 1;
    const words = { 20: this.#lastTag - 1, 24: this.#cmdSNs.get(connection) ?? 1 };
    const opcode = REQUEST.TASK_MANAGEMENT | 0x40;
    const flags = FINAL | (1 + (fn % 6));
    this.#send(connection, makePdu({ opcode, flags, itt: this.#lastTag, words }));
  }

  #connectionOf(reader: InputReader): number {
    return this.#connections[reader.byte() % INITIATORS]!;
  }

  /** Its commands end without an answer. */
  #reopen(initiator: number): void {
    const connection = this.#connections[initiator]!;
    this.#step({ kind: 'closed', connection, nowMs: 0 });
    for (const tag of this.#open.keys()) {
      if (tag.startsWith(`${connection}.`)) this.#open.delete(tag);
    }
    this.#logIn(initiator);
  }

  /** The same port each time, so that what it registered is still its own. */
  #logIn(initiator: number): void {
    this.#lastConnection += 1;
    const connection = this.#lastConnection;
    this.#connections[initiator] = connection;
    this.#step({ kind: 'opened', connection, peer: '192.0.2.9:4000', nowMs: 0 });
    const pdu = makePdu({
      opcode: REQUEST.LOGIN | 0x40,
      flags: 0x87,
      itt: 0,
      words: { 8: 0x00023d00, 24: 1 },
      bytes: { 13: initiator },
      data: text(`InitiatorName=${INITIATOR_NAME}`, `TargetName=${TARGET_NAME}`),
    });
    this.#send(connection, pdu);
    this.#cmdSNs.set(connection, 1);
  }

  #send(connection: number, pdu: Pdu): void {
    this.#step({ kind: 'pdu', connection, pdu, nowMs: 0 });
  }

  #step(event: Parameters<Controller['step']>[0]['event']): void {
    this.#controller.step(
      { side: 'portal', event } as Parameters<Controller['step']>[0],
      this.#effects,
    );
    this.#see();
  }

  #answerAll(): void {
    this.#controller.step({ side: 'volume', event: { kind: 'tick', nowMs: 0 } }, this.#effects);
    this.#see();
  }

  #see(): void {
    for (const effect of this.#effects.portal.splice(0)) {
      expectThat(effect.kind !== 'close', 'a session is closed', effect);
      if (effect.kind === 'send') this.#seeSent(effect);
    }
    this.#effects.volume.splice(0);
  }

  #seeSent({
    connection,
    header,
    data,
  }: {
    connection: number;
    header: Buffer;
    data: Buffer | undefined;
  }) {
    const opcode = header[0]! & 0x3f;
    if (opcode === RESPONSE.REJECT) throw new Error(`a sound PDU is rejected: ${header[2]}`);
    const isDataIn = opcode === RESPONSE.DATA_IN;
    if (!isDataIn && opcode !== RESPONSE.SCSI_RESPONSE) return;
    const tag = `${connection}.${header.readUInt32BE(16)}`;
    const expected = this.#open.get(tag);
    expectThat(expected !== undefined, 'an answer to what was not asked', tag);
    if (isDataIn) {
      const end = header.readUInt32BE(40) + (data?.length ?? 0);
      expectThat(end <= expected, 'data beyond what the initiator expects', { end, expected });
      if ((header[1]! & 1) === 0) return;
    }
    const status = header[3]!;
    expectThat(STATUSES.includes(status), 'a status that SAM knows', status);
    const hasSense = !isDataIn && (data?.length ?? 0) > 2;
    expectThat(hasSense === (status === CHECK_CONDITION), 'sense with CHECK CONDITION', status);
    this.#open.delete(tag);
  }

  #nextTag(connection: number, expected: number): number {
    this.#lastTag += 1;
    this.#open.set(`${connection}.${this.#lastTag}`, expected);
    return this.#lastTag;
  }

  #takeCmdSN(connection: number): number {
    const cmdSN = this.#cmdSNs.get(connection) ?? 1;
    this.#cmdSNs.set(connection, cmdSN + 1);
    return cmdSN;
  }
}

/** The rest of a CDB of more than 16 bytes travels in an AHS (RFC 7143 section 11.2.2.3). */
function extended(pdu: Pdu, cdb: Buffer): Pdu {
  const rest = cdb.subarray(CDB_BYTES, 255);
  const ahs = Buffer.alloc((4 + rest.length + 3) & ~3);
  ahs.writeUInt16BE(rest.length + 1, 0);
  ahs[2] = 1;
  rest.copy(ahs, 4);
  return withAhs(pdu, ahs);
}
