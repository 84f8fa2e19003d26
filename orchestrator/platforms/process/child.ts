import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { monotonicClock } from '../../../replica/common/clock.ts';
import { messageOf } from '../../../replica/common/errors.ts';
import type { ProcessState } from '../../model/view.ts';
import { lastSentence, openChildLog } from './child-log.ts';

export interface ChildCommand {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Beside our own; what is undefined is not passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
}

export interface ChildListener {
  onReady(address: string): void;
  onExit(reason: string): void;
}

/** After a SIGTERM that long a child is killed: it has fsynced what it could. */
const STOP_GRACE_MS = 10_000;

/** FFI is experimental in Node 26; a line about it in every log would only hide others. */
const NO_WARNING = '--disable-warning=ExperimentalWarning';

/** One run of one child process, from spawn to exit. */
export class Child {
  readonly startedAtMs = monotonicClock.nowMs();
  readonly #command: ChildCommand;
  readonly #listener: ChildListener;
  readonly #logStartBytes: number;
  readonly #process: ChildProcess;
  readonly #gone = Promise.withResolvers<void>();
  #state: ProcessState = 'starting';
  #killTimer: NodeJS.Timeout | undefined;
  #wasStopped = false;

  constructor(command: ChildCommand, listener: ChildListener) {
    this.#command = command;
    this.#listener = listener;
    const log = openChildLog(command.logPath);
    this.#logStartBytes = fstatSync(log).size;
    try {
      this.#process = spawn(process.execPath, [NO_WARNING, command.program, ...command.arguments], {
        // A pipe that ends when this process dies, however it dies: no child outlives it.
        stdio: ['pipe', 'pipe', log],
        env: { ...process.env, ...command.environment, KEELSON_PARENT_PIPE: '1' },
        // A process group of its own: a Ctrl-C in the terminal is for the orchestrator alone, which
        // stops its children in order.
        detached: true,
      });
    } finally {
      closeSync(log);
    }
    this.#process.stdin?.on('error', () => undefined); // the child's end closed first
    this.#process.on('exit', (code, signal) => this.#onExit(this.#whyExited(code, signal)));
    this.#process.on('error', (error) => {
      if (this.#process.pid === undefined) this.#onExit(`cannot start: ${messageOf(error)}`);
    });
    this.#readReady();
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** Its exit was asked for. */
  get wasStopped(): boolean {
    return this.#wasStopped;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  stop(): Promise<void> {
    if (this.#state !== 'down' && this.#state !== 'stopping') {
      this.#state = 'stopping';
      this.#wasStopped = true;
      this.#process.kill('SIGTERM');
      this.#killTimer = setTimeout(() => this.kill(), STOP_GRACE_MS);
    }
    return this.#gone.promise;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #readReady(): void {
    const { stdout } = this.#process;
    if (stdout === null) return;
    createInterface({ input: stdout }).on('line', (line) => {
      const address = /^ready (\S{1,128})$/.exec(line)?.[1];
      if (address === undefined || this.#state !== 'starting') return;
      this.#state = 'ready';
      this.#listener.onReady(address);
    });
  }

  #onExit(reason: string): void {
    if (this.#state === 'down') return;
    this.#state = 'down';
    clearTimeout(this.#killTimer);
    this.#gone.resolve();
    this.#listener.onExit(reason);
  }

  #whyExited(code: number | null, signal: NodeJS.Signals | null): string {
    if (signal !== null) return `signal ${signal}`;
    if (code === 0) return 'code 0';
    const sentence = lastSentence(this.#command.logPath, this.#logStartBytes);
    return sentence === undefined ? `code ${code}` : `code ${code}: ${sentence}`;
  }
}
