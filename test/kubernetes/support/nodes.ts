import { run } from '../../support/child.ts';
import type { Harness } from './harness.ts';

const API_SERVER = 'apiserver';

/** The nodes of the cluster, as machines: what fails of them is brought back by `restore`. */
export class Nodes {
  readonly #harness: Harness;

  constructor(harness: Harness) {
    this.#harness = harness;
  }

  get names(): string[] {
    return this.#harness.nodeNames();
  }

  /** A power cut: its disk is what is left of it. */
  kill(node: string): Promise<string> {
    return this.#harness.call('node', 'kill', node);
  }

  /** Resolves when it is Ready. */
  start(node: string): Promise<string> {
    return this.#harness.call('node', 'start', node);
  }

  /** Nobody reaches it, and it reaches nobody; everything on it goes on. */
  partition(node: string): Promise<string> {
    return this.#harness.call('node', 'partition', node);
  }

  heal(node: string): Promise<string> {
    return this.#harness.call('node', 'heal', node);
  }

  /** The API server hangs: connections stay, and nothing is answered. */
  freezeApiServer(): void {
    this.#harness.freeze(API_SERVER);
  }

  thawApiServer(): void {
    this.#harness.thaw(API_SERVER);
  }

  /** In all its namespaces; the machine's own programs and this checkout are there. */
  exec(node: string, ...words: readonly string[]): Promise<string> {
    return this.#harness.call('node', 'exec', node, ...words);
  }

  /** SIGKILL for what runs in a container, past its kubelet. @param containerId as a pod has it */
  killContainer(node: string, containerId: string): Promise<string> {
    const id = containerId.replace('containerd://', '');
    return this.exec(node, 'ctr', '-n', 'k8s.io', 'tasks', 'kill', '--signal', 'SIGKILL', id);
  }

  async isRunning(node: string): Promise<boolean> {
    const { code } = await run(this.#harness.place.command, ['node', 'exec', node, 'true']);
    return code === 0;
  }

  /** All as they should be, whatever was done to them. */
  async restore(): Promise<void> {
    this.#harness.thaw(API_SERVER);
    for (const node of this.names) {
      if (await this.isRunning(node)) await this.heal(node);
      else await this.start(node);
    }
  }
}
