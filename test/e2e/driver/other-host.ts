import type { VolumeView } from '../../../orchestrator/model/view.ts';
import type { Answer } from '../../chaos/initiator/answers.ts';
import { makeRead, makeWrite, type ScsiCommand } from '../../chaos/initiator/commands.ts';
import { logIn } from '../../chaos/initiator/login.ts';
import type { Session } from '../../chaos/initiator/session.ts';

export const OTHER_NAME = 'iqn.1993-08.org.debian:01:other-host';
/** What it writes at a time. */
export const BLOCK_BYTES = 4096;
const FILLING = 0xee;
const KEY = 0xb2n;
const MAX_ATTEMPTS = 5;

const REGISTER_AND_IGNORE = 6;
const RESERVE = 1;
const WRITE_EXCLUSIVE = 1;

/** Another host that mounts volumes, as far as the target can tell. */
export class OtherHost {
  readonly #volume: VolumeView;
  #session: Session | undefined;

  constructor(volume: VolumeView) {
    this.#volume = volume;
  }

  async logIn(): Promise<void> {
    const [host = '', port] = this.#volume.portal.split(':');
    const { targetName } = this.#volume;
    const session = await logIn({
      host,
      port: Number(port),
      targetName,
      initiatorName: OTHER_NAME,
    });
    if (typeof session === 'string') throw new Error(`the other host cannot log in: ${session}`);
    this.#session = session;
  }

  /** As its own driver would. */
  async reserve(): Promise<void> {
    for (const command of [
      makeReserveOut(REGISTER_AND_IGNORE, { key: 0n, newKey: KEY }),
      makeReserveOut(RESERVE, { key: KEY, newKey: 0n }),
    ]) {
      const answer = await this.#execute(command);
      if (answer.kind !== 'good') throw new Error(`reserve: ${JSON.stringify(answer)}`);
    }
  }

  write(offsetBytes: number): Promise<Answer> {
    const data = Buffer.alloc(BLOCK_BYTES, FILLING);
    return this.#execute(makeWrite(offsetBytes, data, { form: 16, isForced: true }));
  }

  async expectWritten(offsetBytes: number): Promise<void> {
    const answer = await this.#execute(makeRead({ offsetBytes, lengthBytes: BLOCK_BYTES }, 16));
    const isThere = answer.kind === 'good' && answer.data.every((byte) => byte === FILLING);
    if (!isThere) throw new Error('what the other host wrote is not there any more');
  }

  /** Its session ends and its reservation stays, as when it loses power. */
  crash(): void {
    this.#session?.end('the other host crashed');
  }

  /** A unit attention is told once, and the command is not carried out. */
  async #execute(command: ScsiCommand): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.#session === undefined) throw new Error('the other host is not logged in');
      const answer = await this.#session.execute(command);
      const isTold = answer.kind === 'refused' && answer.reason.startsWith('UNIT ATTENTION');
      if (!isTold || attempt === MAX_ATTEMPTS) return answer;
    }
  }
}

/** PERSISTENT RESERVE OUT with APTPL (SPC-4 clause 6.16). */
function makeReserveOut(action: number, keys: { key: bigint; newKey: bigint }): ScsiCommand {
  const parameters = Buffer.alloc(24);
  parameters.writeBigUInt64BE(keys.key, 0);
  parameters.writeBigUInt64BE(keys.newKey, 8);
  parameters[20] = 1;
  const cdb = Buffer.alloc(10);
  cdb[0] = 0x5f;
  cdb[1] = action;
  cdb[2] = WRITE_EXCLUSIVE;
  cdb.writeUInt32BE(parameters.length, 5);
  return { cdb, dataOut: parameters };
}
