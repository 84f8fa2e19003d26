import { type ChildProcess, spawn } from 'node:child_process';
import { eventually, exitOf } from './child.ts';

const SHELLS = {
  bash: 'bash --norc --noprofile -i',
  zsh: 'zsh -f -i',
} as const;

/** Puts the cursor where the line begins. */
const LINE_BEGIN = '\x01';

/** An interactive shell on a terminal of its own (`script` of util-linux), as a person uses it. */
export class Shell {
  readonly #child: ChildProcess;
  #shown = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#shown += chunk.toString();
    });
  }

  static async start(
    name: keyof typeof SHELLS,
    environment: Readonly<Record<string, string>>,
  ): Promise<Shell> {
    const child = spawn('script', ['-qfc', SHELLS[name], '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // A terminal that knows no escape sequences is one whose output can be read.
      env: { ...process.env, ...environment, TERM: 'dumb', INPUTRC: '/dev/null', EDITOR: 'emacs' },
    });
    const shell = new Shell(child);
    await shell.enter('stty cols 500');
    return shell;
  }

  /** Runs one command to its end; what it printed. */
  async enter(command: string): Promise<string> {
    this.#shown = '';
    // The quotes keep the line as it was typed from looking like what it prints.
    this.#child.stdin?.write(`${command}; echo E''ND\n`);
    return eventually(`${command} ends`, () => /\n([\s\S]*)END\r\n/.exec(this.#shown)?.[1]);
  }

  /** What stands on the line after `typed`, tabs included. */
  async complete(typed: string): Promise<string> {
    this.#shown = '';
    // The shell takes one key after the other: the line is echoed when completion is done with it.
    this.#child.stdin?.write(`${typed}${LINE_BEGIN}echo L''INE: \n`);
    const line = await eventually(`the shell completes ${JSON.stringify(typed)}`, () => {
      return /LINE: (.*)\r\n/.exec(this.#shown)?.[1];
    });
    return line.trim();
  }

  async stop(): Promise<void> {
    this.#child.stdin?.write('exit\n');
    await exitOf(this.#child);
  }
}
