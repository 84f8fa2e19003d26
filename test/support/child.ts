import { type ChildProcess, spawn } from 'node:child_process';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end. A program that outlives `timeoutMs` is killed and the call throws
 * with what it had printed, so that a hang never looks like a result.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: {
    timeoutMs?: number;
    cwd?: string;
    /** Beside the environment of this process. */
    environment?: Readonly<Record<string, string>>;
    /** What it reads; nothing unless given. */
    input?: string;
    onOutput?: (text: string) => void;
  } = {},
): Promise<Finished> {
  const child = spawn(command, args, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.environment },
  });
  child.stdin?.on('error', () => undefined); // it did not want to read all of it
  child.stdin?.end(options.input);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    options.onOutput?.(chunk.toString());
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    options.onOutput?.(chunk.toString());
  });
  const timeoutMs = options.timeoutMs ?? 60_000;
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => clearTimeout(timer));
  if (isTimedOut) {
    throw new Error(
      `${command} ${args.join(' ')}: expected an end within ${timeoutMs} ms, killed it\n${stdout}${stderr}`,
    );
  }
  return { code, stdout, stderr };
}

/** As `run`, and throws unless the program ended with 0. Returns its standard output. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: { timeoutMs?: number; cwd?: string } = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: expected exit code 0, got ${code}\n${stdout}${stderr}`,
    );
  }
  return stdout;
}

/** Resolves when the process is gone, with its exit code (null after a signal). */
export function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}

/**
 * Asks again every `everyMs` until `check` returns something other than undefined. Only for facts
 * of other processes that announce nothing; everything else is awaited by its event.
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
  options: { withinMs?: number; everyMs?: number } = {},
): Promise<T> {
  const withinMs = options.withinMs ?? 30_000;
  const giveUpAtMs = performance.now() + withinMs;
  let lastError: unknown;
  while (performance.now() < giveUpAtMs) {
    try {
      const found = await check();
      if (found !== undefined) return found;
    } catch (error) {
      lastError = error;
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 50));
  }
  throw new Error(`${what}: expected within ${withinMs} ms, it did not happen`, {
    cause: lastError,
  });
}
