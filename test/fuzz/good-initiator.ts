import { makeRead, makeWrite } from '../chaos/initiator/commands.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';

const BLOCK_BYTES = 4096;
const ATTEMPTS = 20;

/** Stays logged in while others misbehave, and has to be served as if they did not. */
export class GoodInitiator {
  #initiator: Initiator | undefined;
  #count = 0;

  async connect(to: { host: string; port: number; targetName: string }): Promise<void> {
    const initiatorName = 'iqn.2026-11.io.keelson:good';
    this.#initiator = new Initiator({ ...to, initiatorName }, () => undefined);
    await this.writeAndReadBack();
  }

  /** Throws unless a block that it writes is what it reads; as a kernel, it tries again. */
  async writeAndReadBack(): Promise<void> {
    this.#count += 1;
    const block = Buffer.alloc(BLOCK_BYTES, `block ${this.#count} `);
    const range = { offsetBytes: 0, lengthBytes: BLOCK_BYTES };
    await this.#execute(makeWrite(0, block, { form: 16, isForced: true }));
    const read = await this.#execute(makeRead(range, 16));
    if (!read.equals(block)) throw new Error('a good initiator read something else than it wrote');
  }

  async stop(): Promise<void> {
    await this.#initiator?.stop();
  }

  async #execute(command: Parameters<Initiator['execute']>[0]): Promise<Buffer> {
    let reason = 'never connected';
    for (let attempt = 0; attempt < ATTEMPTS && this.#initiator !== undefined; attempt += 1) {
      const answer = await this.#initiator.execute(command);
      if (answer.kind === 'good') return answer.data;
      reason = answer.reason;
    }
    throw new Error(`a good initiator is not served: ${reason}`);
  }
}
