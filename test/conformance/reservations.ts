import type { Answer } from '../chaos/initiator/answers.ts';
import { makeWrite, type ScsiCommand } from '../chaos/initiator/commands.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';

/** WRITE EXCLUSIVE - REGISTRANTS ONLY (SPC-4 table 65). */
export const WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5;

/** Status RESERVATION CONFLICT, as answers.ts names it. */
const CONFLICT = 'status 0x18';

const OUT = {
  ...{ REGISTER: 0x00, RESERVE: 0x01, RELEASE: 0x02, CLEAR: 0x03, PREEMPT_AND_ABORT: 0x05 },
} as const;
const IN = { READ_KEYS: 0x00, READ_RESERVATION: 0x01 } as const;
const PARAMETER_BYTES = 24;
const ALLOCATION_BYTES = 1024;
const APTPL = 0x01;

export interface Portal {
  readonly host: string;
  readonly port: number;
  readonly targetName: string;
}

/** An initiator that takes reservations; the name makes the I_T nexus. */
export class Registrant {
  readonly #initiator: Initiator;
  readonly #name: string;

  constructor(portal: Portal, name: string) {
    const initiatorName = `iqn.2026-11.io.keelson:${name}`;
    this.#name = name;
    this.#initiator = new Initiator({ ...portal, initiatorName }, () => {});
  }

  stop(): Promise<void> {
    return this.#initiator.stop();
  }

  /** Registers with APTPL: the registration is to outlive a loss of power. */
  async register(key: bigint): Promise<void> {
    await this.#good(makeReserveOut(OUT.REGISTER, { newKey: key, flags: APTPL }));
  }

  async reserve(key: bigint, type: number): Promise<void> {
    await this.#good(makeReserveOut(OUT.RESERVE, { key, type }));
  }

  /** Takes the reservation over from `victim`, and aborts what its commands did not yet do. */
  async preemptAndAbort(key: bigint, victim: bigint, type: number): Promise<void> {
    await this.#good(makeReserveOut(OUT.PREEMPT_AND_ABORT, { key, newKey: victim, type }));
  }

  /** Ends the reservation and all registrations. */
  async clear(key: bigint): Promise<void> {
    await this.#good(makeReserveOut(OUT.CLEAR, { key }));
  }

  /** Keys of all registrations, in no order that matters, so sorted. */
  async readKeys(): Promise<bigint[]> {
    const data = await this.#good(makeReserveIn(IN.READ_KEYS));
    const count = data.readUInt32BE(4) / 8;
    return Array.from({ length: count }, (_, at) => data.readBigUInt64BE(8 + 8 * at)).sort();
  }

  /** Key and type of the reservation, undefined when there is none. */
  async readReservation(): Promise<{ key: bigint; type: number } | undefined> {
    const data = await this.#good(makeReserveIn(IN.READ_RESERVATION));
    if (data.readUInt32BE(4) === 0) return undefined;
    return { key: data.readBigUInt64BE(8), type: data.readUInt8(21) & 0xf };
  }

  /** Writes the first sector; says whether a reservation of somebody else was in the way. */
  async write(): Promise<'written' | 'conflict'> {
    const command = makeWrite(0, Buffer.alloc(512, 0x5a), { form: 10, isForced: false });
    const answer = await this.#execute(command);
    if (answer.kind === 'good') return 'written';
    if (answer.kind === 'refused' && answer.reason === CONFLICT) return 'conflict';
    throw this.#unexpected(command, answer);
  }

  async #good(command: ScsiCommand): Promise<Buffer> {
    const answer = await this.#execute(command);
    if (answer.kind !== 'good') throw this.#unexpected(command, answer);
    return answer.data;
  }

  /** As a kernel does it: again after a lost session, and after a unit attention, a few times. */
  async #execute(command: ScsiCommand): Promise<Answer> {
    let answer = await this.#initiator.execute(command);
    for (let attempt = 0; attempt < 20 && isRepeated(answer); attempt += 1) {
      answer = await this.#initiator.execute(command);
    }
    return answer;
  }

  #unexpected(command: ScsiCommand, answer: Answer): Error {
    const got = answer.kind === 'good' ? 'GOOD' : answer.reason;
    return new Error(
      `${this.#name}, CDB ${command.cdb.toString('hex')}: expected GOOD, got ${got}`,
    );
  }
}

function isRepeated(answer: Answer): boolean {
  return answer.kind === 'lost' || (answer.kind === 'refused' && answer.isExpected);
}

/** PERSISTENT RESERVE OUT (SPC-4 6.16) of the whole unit. */
function makeReserveOut(
  action: number,
  fields: { key?: bigint; newKey?: bigint; type?: number; flags?: number },
): ScsiCommand {
  const cdb = Buffer.alloc(10);
  cdb[0] = 0x5f;
  cdb[1] = action;
  cdb[2] = fields.type ?? 0;
  cdb.writeUInt32BE(PARAMETER_BYTES, 5);
  const dataOut = Buffer.alloc(PARAMETER_BYTES);
  dataOut.writeBigUInt64BE(fields.key ?? 0n, 0);
  dataOut.writeBigUInt64BE(fields.newKey ?? 0n, 8);
  dataOut[20] = fields.flags ?? 0;
  return { cdb, dataOut };
}

/** PERSISTENT RESERVE IN (SPC-4 6.15). */
function makeReserveIn(action: number): ScsiCommand {
  const cdb = Buffer.alloc(10);
  cdb[0] = 0x5e;
  cdb[1] = action;
  cdb.writeUInt16BE(ALLOCATION_BYTES, 7);
  return { cdb, readBytes: ALLOCATION_BYTES };
}
