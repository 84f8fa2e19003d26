import type { Socket } from 'node:net';
import {
  COMMAND_FLAG,
  DATA_IN_STATUS,
  FINAL,
  IMMEDIATE,
  NO_TAG,
  OPCODE_MASK,
  REQUEST,
  RESPONSE,
} from '../../../controller/iscsi/constants.ts';
import type { Digests } from '../../../controller/iscsi/digest.ts';
import type { PduFramer } from '../../../controller/iscsi/framer.ts';
import type { Pdu } from '../../../controller/iscsi/step.ts';
import { makePdu, type PduFields, wireBytes } from '../../support/initiator-pdus.ts';
import { type Answer, answerOf } from './answers.ts';
import type { ScsiCommand } from './commands.ts';

/** What the login left behind. */
export interface LoggedIn {
  readonly socket: Socket;
  /** May hold the beginning of the next PDU. */
  readonly framer: PduFramer;
  readonly digests: Digests;
  readonly nextCmdSN: number;
  readonly maxCmdSN: number;
  readonly nextStatSN: number;
  /** Largest data segment that the target takes. */
  readonly maxSegmentBytes: number;
  readonly firstBurstBytes: number;
}

/** A silent target is asked for a sign of life, and given up when there is none. */
const PING_AFTER_MS = 1_000;
const SILENCE_LIMIT_MS = 5_000;

/** What Linux gives a command. We then drop the session, where Linux would try an abort first. */
const COMMAND_LIMIT_MS = 30_000;

const PING_TAG = 0xfffffffe;

interface Task {
  readonly command: ScsiCommand;
  readonly dataIn: Buffer;
  readonly resolve: (answer: Answer) => void;
  sentAtMs: number;
}

/** One session of one connection, from the end of its login on (RFC 7143, recovery level 0). */
export class Session {
  /** Why it is over. */
  readonly ended: Promise<string>;
  readonly #login: LoggedIn;
  readonly #tasks = new Map<number, Task>();
  /** Commands that the window does not admit yet. */
  readonly #waiting: Task[] = [];
  readonly #ended = Promise.withResolvers<string>();
  readonly #timer: NodeJS.Timeout;
  #cmdSN: number;
  #maxCmdSN: number;
  #expStatSN: number;
  #lastItt = 0;
  #heardAtMs = performance.now();
  #isOver = false;

  constructor(login: LoggedIn) {
    this.#login = login;
    this.#cmdSN = login.nextCmdSN;
    this.#maxCmdSN = login.maxCmdSN;
    this.#expStatSN = login.nextStatSN;
    this.ended = this.#ended.promise;
    this.#timer = setInterval(() => this.#look(), PING_AFTER_MS / 2);
    login.socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    login.socket.on('error', (error) => this.end(error.message));
    login.socket.on('close', () => this.end('the target closed the connection'));
  }

  execute(command: ScsiCommand): Promise<Answer> {
    if (this.#isOver) return Promise.resolve({ kind: 'lost', reason: 'the session is over' });
    return new Promise((resolve) => {
      const dataIn = Buffer.alloc(command.readBytes ?? 0);
      this.#waiting.push({ command, dataIn, resolve, sentAtMs: performance.now() });
      this.#sendWaiting();
    });
  }

  end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#login.socket.destroy();
    for (const task of [...this.#tasks.values(), ...this.#waiting]) {
      task.resolve({ kind: 'lost', reason });
    }
    this.#ended.resolve(reason);
  }

  #look(): void {
    const nowMs = performance.now();
    const silentMs = nowMs - this.#heardAtMs;
    if (silentMs > SILENCE_LIMIT_MS) this.end(`silent for ${SILENCE_LIMIT_MS} ms`);
    else if (silentMs > PING_AFTER_MS) this.#ping(PING_TAG, NO_TAG);
    // In the order in which they were sent: the first is the oldest.
    const [oldest] = this.#tasks.values();
    if (oldest !== undefined && nowMs - oldest.sentAtMs > COMMAND_LIMIT_MS) {
      this.end(`a command had no answer for ${COMMAND_LIMIT_MS} ms`);
    }
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#cmdSN <= this.#maxCmdSN) {
      const task = this.#waiting.shift() as Task;
      const { cdb, dataOut, readBytes } = task.command;
      const itt = ++this.#lastItt;
      this.#tasks.set(itt, task);
      task.sentAtMs = performance.now();
      const { firstBurstBytes, maxSegmentBytes } = this.#login;
      const direction =
        (readBytes === undefined ? 0 : COMMAND_FLAG.READ) |
        (dataOut === undefined ? 0 : COMMAND_FLAG.WRITE);
      this.#send({
        opcode: REQUEST.SCSI_COMMAND,
        flags: FINAL | direction,
        itt,
        words: {
          20: readBytes ?? dataOut?.length ?? 0,
          24: this.#cmdSN,
          28: this.#expStatSN,
        },
        bytes: Object.fromEntries([...cdb].map((byte, index) => [32 + index, byte])),
        // Immediate data as far as it goes; the target asks for the rest.
        data: (dataOut ?? Buffer.alloc(0)).subarray(0, Math.min(firstBurstBytes, maxSegmentBytes)),
      });
      this.#cmdSN += 1;
    }
  }

  #receive(chunk: Buffer): void {
    this.#heardAtMs = performance.now();
    const pdus: Pdu[] = [];
    const fault = this.#login.framer.push(chunk, pdus);
    for (const pdu of pdus) if (!this.#isOver) this.#handle(pdu);
    if (fault !== undefined) this.end(`the target sent nonsense: ${fault}`);
    if (!this.#isOver) this.#sendWaiting();
  }

  #handle(pdu: Pdu): void {
    if (pdu.isDamaged === true) return this.end('the target sent data with a wrong digest');
    const { header } = pdu;
    const itt = header.readUInt32BE(16);
    const opcode = (header[0] as number) & OPCODE_MASK;
    this.#maxCmdSN = Math.max(this.#maxCmdSN, header.readUInt32BE(32));
    switch (opcode) {
      case RESPONSE.DATA_IN:
        pdu.data.copy(this.#taskOf(itt)?.dataIn ?? Buffer.alloc(0), header.readUInt32BE(40));
        if (((header[1] as number) & DATA_IN_STATUS) !== 0) this.#finish(itt, pdu, Buffer.alloc(0));
        return;
      case RESPONSE.SCSI_RESPONSE:
        this.#finish(itt, pdu, pdu.data.subarray(2));
        return;
      case RESPONSE.R2T:
        this.#sendData(itt, header);
        return;
      case RESPONSE.NOP_IN: {
        const ttt = header.readUInt32BE(20);
        if (ttt !== NO_TAG) this.#ping(NO_TAG, ttt);
        else this.#expStatSN = header.readUInt32BE(24) + 1;
        return;
      }
      default:
        // A reject, a request to log out: nothing that a session of level 0 would go on after.
        this.end(`the target sent opcode 0x${opcode.toString(16)}`);
    }
  }

  #taskOf(itt: number): Task | undefined {
    const task = this.#tasks.get(itt);
    if (task === undefined) this.end(`the target answered tag ${itt}, which is not under way`);
    return task;
  }

  #finish(itt: number, { header }: Pdu, senseData: Buffer): void {
    const task = this.#taskOf(itt);
    if (task === undefined) return;
    this.#expStatSN = header.readUInt32BE(24) + 1;
    this.#tasks.delete(itt);
    task.resolve(answerOf(header[3] as number, task.dataIn, senseData));
  }

  /** Answers an R2T (RFC 7143 section 11.8) with as many Data-Out PDUs as it takes. */
  #sendData(itt: number, r2t: Buffer): void {
    const data = this.#taskOf(itt)?.command.dataOut;
    if (data === undefined) return;
    const start = r2t.readUInt32BE(40);
    const end = start + r2t.readUInt32BE(44);
    const step = this.#login.maxSegmentBytes;
    for (let offset = start, dataSN = 0; offset < end; offset += step, dataSN += 1) {
      const next = Math.min(end, offset + step);
      this.#send({
        opcode: REQUEST.DATA_OUT,
        flags: next === end ? FINAL : 0,
        itt,
        words: { 20: r2t.readUInt32BE(20), 28: this.#expStatSN, 36: dataSN, 40: offset },
        data: data.subarray(offset, next),
      });
    }
  }

  #ping(itt: number, ttt: number): void {
    const words = { 20: ttt, 24: this.#cmdSN, 28: this.#expStatSN };
    this.#send({ opcode: REQUEST.NOP_OUT | IMMEDIATE, flags: FINAL, itt, words });
  }

  #send(fields: PduFields): void {
    this.#login.socket.write(wireBytes(makePdu(fields), this.#login.digests));
  }
}
