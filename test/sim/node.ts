import type { Connection, ToReplica } from './network.ts';
import type { SimReplica } from './replica.ts';
import type { Trace } from './trace.ts';

/** A machine with a disk: at most one copy of the volume at a time has its process here. */
export class SimNode {
  readonly name: string;
  /** Since when it is off, or its disk is not mounted; undefined while it can be used. */
  downSinceMs: number | undefined;
  replica: SimReplica | undefined;
  readonly #trace: Trace;
  #bootCount = 1;
  #isOn = true;

  constructor(name: string, trace: Trace) {
    this.name = name;
    this.#trace = trace;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** The kernel's: another one after each start of the machine. */
  get bootId(): string {
    return `${this.name}-boot${this.#bootCount}`;
  }

  /** Something came in from the network. A machine that is off does not even say that. */
  receive(connection: Connection, message: ToReplica): void {
    if (!this.#isOn) return;
    if (this.replica !== undefined) this.replica.receive(connection, message);
    else if (message.kind !== 'closed') connection.toController.end({ kind: 'closed' });
  }

  /** The power goes: processes end without a word, and the page cache with them. */
  losePower(lose: (replica: SimReplica) => void): void {
    this.#trace.fault(`${this.name} loses power`);
    this.#isOn = false;
    this.#bootCount += 1;
    if (this.replica === undefined) return;
    this.replica.crash(false);
    lose(this.replica);
  }

  powerOn(): void {
    if (this.#isOn) return;
    this.#trace.fault(`${this.name} has power again`);
    this.#isOn = true;
  }
}
