import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run, runOk } from '../../support/child.ts';
import type { HarnessPlace } from './suite.ts';

/** Where the harness keeps what runs, unless told otherwise; see its README. */
const { KUBE_DIR = '/var/lib/kube-harness' } = process.env;
const { KEELSON_KUBE = '../shared/kube/kube' } = process.env;

const BUILD = resolve('test/kubernetes/build-cluster.sh');
/** In every API server that this makes. */
const FIXED = 'modern-go/reflect2/go_above_118.go';

/** The first time it builds Kubernetes, on a machine that is busy with our other tests. */
const UP_LIMIT_MS = 45 * 60_000;

const START_TIME_FIELD = 22;

/** The cluster of `kube`, which brings up a real Kubernetes with nodes that can be killed. */
export class Harness {
  readonly place: HarnessPlace;

  constructor(place: HarnessPlace) {
    this.place = place;
  }

  /** undefined: it is neither beside the checkout nor where KEELSON_KUBE says. */
  static find(): Harness | undefined {
    const command = resolve(KEELSON_KUBE);
    return existsSync(command) ? new Harness({ command, directory: resolve(KUBE_DIR) }) : undefined;
  }

  get kubeconfig(): string {
    return join(this.place.directory, 'kubeconfig');
  }

  async isUp(): Promise<boolean> {
    const { code } = await run(this.place.command, ['exec', 'true']);
    return code === 0;
  }

  /**
   * Builds Kubernetes while other things are done, and in their shade; does nothing where it is built.
   *
   * @param logDirectory where `kube-build.log` goes
   */
  buildInBackground(logDirectory: string): void {
    mkdirSync(logDirectory, { recursive: true });
    const log = openSync(join(logDirectory, 'kube-build.log'), 'w');
    const words = ['-n', '19', BUILD, this.place.command];
    spawn('nice', words, { detached: true, stdio: ['ignore', log, log] }).unref();
  }

  /** Waits for a build that is under way, as ensure-peers.ts starts one. */
  async up(): Promise<void> {
    await showing(BUILD, this.place.command);
    await showing(this.place.command, 'up');
  }

  /** Of a cluster that was up: throws where its API server is one that dies; see build-cluster.sh. */
  async checkApiServer(): Promise<void> {
    const program = `/proc/${this.#pidOf('apiserver')}/exe`;
    const { code } = await run('grep', ['-q', FIXED, program]);
    if (code === 0) return;
    throw new Error(
      'the cluster that is up: expected an API server that survives custom resources, it dies of ' +
        `them; run ${this.place.command} down, and these tests bring up another one`,
    );
  }

  async down(): Promise<void> {
    await runOk(this.place.command, ['down']);
  }

  call(...words: readonly string[]): Promise<string> {
    return runOk(this.place.command, words, { timeoutMs: 180_000 });
  }

  nodeNames(): string[] {
    return readFileSync(join(this.place.directory, 'names'), 'utf8').trim().split('\n');
  }

  /** What a node has as /var/lib: it can be read while the node is off. */
  diskOf(node: string): string {
    return join(this.place.directory, 'nodes', node, 'lib');
  }

  /** Stops what runs in the control plane under that name, as if it hung: `apiserver`, say. */
  freeze(part: string): void {
    process.kill(this.#pidOf(part), 'SIGSTOP');
  }

  thaw(part: string): void {
    process.kill(this.#pidOf(part), 'SIGCONT');
  }

  /** Its number may be another process by now, hence the time of its start beside it. */
  #pidOf(part: string): number {
    const text = readFileSync(join(this.place.directory, 'pid', part), 'utf8');
    const [pid = '', startTime] = text.trim().split(' ');
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, 'pid name ');
    if (stat.split(' ')[START_TIME_FIELD - 1] !== startTime) {
      throw new Error(`${part} of the cluster: expected process ${pid} to be it, it has ended`);
    }
    return Number(pid);
  }
}

/** Shows what it prints, for it may take long. */
async function showing(command: string, ...words: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, words, {
    timeoutMs: UP_LIMIT_MS,
    onOutput: (text) => process.stdout.write(text),
  });
  if (code === 0) return;
  throw new Error(`bring up a cluster: ${command} ended with ${code}: ${stderr.trim()}`);
}
