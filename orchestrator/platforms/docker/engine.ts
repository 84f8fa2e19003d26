import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker, { type ContainerCreateOptions, type NetworkCreateOptions } from 'dockerode';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { lastSentenceIn } from '../last-sentence.ts';
import { type ContainerLabels, LABELS } from './container-labels.ts';
import { dockerodeOptions, type EngineAddress } from './engine-address.ts';
import { explainEngineError, statusOf } from './explain-engine-error.ts';

/** A call that takes longer counts as failed; it may still happen, and a later look sees it. */
const CALL_TIMEOUT_MS = 20_000;

/** How often, and how far apart, it is looked whether a container that is being removed is gone. */
const MAX_REMOVAL_LOOKS = 200;
const REMOVAL_LOOK_MS = 50;

/** A container that is asked to stop has this long before it is killed; it fsyncs meanwhile. */
const STOP_GRACE_SECONDS = 10;

/** How long another node may take to make a network of ours, and how often to look. */
const MAX_NETWORK_TRIES = 10;
const NETWORK_RETRY_MS = 100;

/** When nothing was heard for so long; ten more seconds without an answer end the connection. */
const KEEP_ALIVE_MS = 1_000;

/** Enough for a crash with its stack. */
const LAST_LINES = 40;

/** States of a container in which its process may still do something. */
const LIVE_STATES: readonly string[] = ['running', 'paused', 'restarting'];

export interface FoundContainer {
  readonly id: string;
  readonly labels: ContainerLabels;
  /** As the engine calls it: `created`, `running`, `paused`, `exited` … */
  readonly state: string;
  readonly isLive: boolean;
  readonly createdAtSeconds: number;
  /** What it has in each network that it is in, by the network's name. */
  readonly addresses: Readonly<Record<string, string>>;
  /** The container whose network it shares, if it shares one. */
  readonly networkOf: string | undefined;
}

export interface FoundNetwork {
  readonly id: string;
  readonly name: string;
  readonly labels: ContainerLabels;
}

export interface EngineEvent {
  /** `die`, `start`, `pause`, `destroy` … */
  readonly action: string;
  readonly id: string;
  readonly labels: ContainerLabels;
  readonly exitCode: number | undefined;
}

interface Labelled {
  readonly Labels?: ContainerLabels;
}

export interface JobResult {
  readonly exitCode: number;
  /** The last line that it said. */
  readonly sentence: string | undefined;
}

/**
 * One Docker engine: the calls that we make of it.
 *
 * Errors: KeelsonError that names the engine, in one sentence (explain-engine-error.ts).
 */
export class Engine {
  readonly url: string;
  readonly #docker: Docker;
  /** For answers that do not end: events and logs. */
  readonly #streams: Docker;

  /** Errors: INVALID_ARGUMENT, IO_FAILED. */
  constructor(address: EngineAddress) {
    const options = dockerodeOptions(address);
    this.url = address.url;
    this.#docker = new Docker({ ...options, timeout: CALL_TIMEOUT_MS });
    this.#streams = new Docker(options);
  }

  /** All containers of an installation, whatever their state. */
  async containers(installation: string): Promise<FoundContainer[]> {
    const filters = { label: [`${LABELS.installation}=${installation}`] };
    const found = await this.#try('list containers', () =>
      this.#docker.listContainers({ all: true, filters }),
    );
    return found.map(readContainer);
  }

  async networks(installation: string): Promise<FoundNetwork[]> {
    const filters = { label: [`${LABELS.installation}=${installation}`] };
    const found = await this.#try('list networks', () => this.#docker.listNetworks({ filters }));
    return found.map(({ Id: id, Name: name, Labels: labels = {} }) => ({ id, name, labels }));
  }

  /**
   * Returns its id. A container of ours that has its name is one that nobody knows any more, because
   * the answer to its creation was lost: it is removed.
   *
   * Errors: also IN_USE when somebody else's container has the name.
   */
  async create(options: ContainerCreateOptions): Promise<string> {
    const action = `create container ${options.name}`;
    return this.#try(action, async () => {
      const container = await this.#docker.createContainer(options).catch(unless(409));
      if (container !== undefined) return container.id;
      await this.#freeName(options);
      return (await this.#docker.createContainer(options)).id;
    });
  }

  /** Also when it runs already. */
  start(id: string): Promise<void> {
    return this.#try(`start container ${id.slice(0, 12)}`, async () => {
      await this.#docker.getContainer(id).start().catch(unless(304));
    });
  }

  /** Resolves when it is down; also when it was, or is not there. */
  stop(id: string): Promise<void> {
    return this.#try(`stop container ${id.slice(0, 12)}`, async () => {
      const container = this.#docker.getContainer(id);
      await container.stop({ t: STOP_GRACE_SECONDS }).catch(unless(304, 404));
    });
  }

  /** At once; also when it is down, or not there. */
  kill(id: string): Promise<void> {
    return this.#try(`kill container ${id.slice(0, 12)}`, async () => {
      await this.#docker.getContainer(id).kill().catch(unless(404, 409));
    });
  }

  /** Whatever it does at the moment; also when it is not there. What it has mounted stays. */
  remove(id: string): Promise<void> {
    return this.#try(`remove container ${id.slice(0, 12)}`, async () => {
      const container = this.#docker.getContainer(id);
      await container.remove({ force: true, v: false }).catch(async (error: unknown) => {
        if (statusOf(error) !== 409) return unless(404)(error);
        // Somebody else is at it: its name is free when that is through. Looked for, not waited for:
        // an engine may forget who waits for a removal that is just ending.
        for (let triesLeft = MAX_REMOVAL_LOOKS; triesLeft > 0; triesLeft -= 1) {
          if ((await container.inspect().catch(unless(404))) === undefined) return;
          await sleep(REMOVAL_LOOK_MS);
        }
        throw error;
      });
    });
  }

  /**
   * Also when it is there already. One of the same name that is not for this volume was left behind by
   * an earlier one: it is made anew.
   *
   * Errors: also IN_USE when somebody else's network has the name, or one of its addresses.
   */
  async ensureNetwork(options: NetworkCreateOptions): Promise<void> {
    await this.#try(`create network ${options.Name}`, async () => {
      const create = () => this.#docker.createNetwork({ ...options, CheckDuplicate: true });
      const network = this.#docker.getNetwork(options.Name);
      for (let triesLeft = MAX_NETWORK_TRIES - 1; ; triesLeft -= 1) {
        try {
          await create();
          return;
        } catch (error) {
          const found = (await network.inspect().catch(unless(404))) as Labelled | undefined;
          const isSame = (label: string) => found?.Labels?.[label] === options.Labels?.[label];
          if (found !== undefined && !isSame(LABELS.installation)) {
            throw this.#nameTaken('network', options.Name);
          }
          if (found !== undefined && isSame(LABELS.volumeId)) return;
          if (found !== undefined) await network.remove().catch(unless(404));
          // When another node makes it, its addresses are taken a moment before it can be seen.
          if (triesLeft === 0 || statusOf(error) !== (found === undefined ? 403 : 409)) throw error;
          if (found === undefined) await sleep(NETWORK_RETRY_MS);
        }
      }
    });
  }

  /** Also when it is not there. */
  async removeNetwork(name: string): Promise<void> {
    await this.#try(`remove network ${name}`, async () => {
      await this.#docker.getNetwork(name).remove().catch(unless(404));
    });
  }

  /** Gives a container an address in a network, instead of one that it may have there. */
  async attach(id: string, network: string, address: string): Promise<void> {
    await this.#try(`connect container ${id.slice(0, 12)} to ${network}`, async () => {
      const found = this.#docker.getNetwork(network);
      await found.disconnect({ Container: id, Force: true }).catch(unless(403, 404, 500));
      const EndpointConfig = { IPAMConfig: { IPv4Address: address } };
      await found.connect({ Container: id, EndpointConfig });
    });
  }

  /** Runs a container to its end, and removes it. */
  async runJob(options: ContainerCreateOptions): Promise<JobResult> {
    const id = await this.create(options);
    try {
      await this.start(id);
      // Not its next exit: a short job may have ended before the engine hears that somebody waits.
      const { StatusCode: exitCode } = await this.#try(`run ${options.name}`, () =>
        this.#docker.getContainer(id).wait({ condition: 'not-running' }),
      );
      return { exitCode, sentence: exitCode === 0 ? undefined : await this.lastWords(id) };
    } finally {
      await this.remove(id);
    }
  }

  /**
   * The lines that a container writes to its standard output, from the Unix time `since` on, until
   * it ends or `signal` does.
   */
  async *lines(id: string, since: number, signal: AbortSignal): AsyncGenerator<string> {
    const stream = (await this.#try(`read the log of container ${id.slice(0, 12)}`, () =>
      this.#streams.getContainer(id).logs({
        ...{ follow: true, stdout: true, stderr: false, since, tail: 'all' as unknown as number },
        abortSignal: signal,
      }),
    )) as unknown as Readable;
    const output = new PassThrough();
    this.#docker.modem.demuxStream(stream, output, output);
    stream.on('end', () => output.end());
    stream.on('error', () => output.end());
    try {
      yield* createInterface({ input: output });
    } finally {
      stream.destroy();
    }
  }

  /** Unix time in seconds at which a container last ended; undefined when it is not there. */
  async finishedAt(id: string): Promise<number | undefined> {
    return this.#try(`inspect container ${id.slice(0, 12)}`, async () => {
      const found = await this.#docker.getContainer(id).inspect().catch(unless(404));
      if (found === undefined) return undefined;
      const seconds = Date.parse(found.State.FinishedAt) / 1000;
      return Math.max(0, seconds); // year 1: it never ran
    });
  }

  /** When a container was started, in Unix milliseconds; undefined when it does not run. */
  async runningSinceMs(id: string): Promise<number | undefined> {
    return this.#try(`inspect container ${id.slice(0, 12)}`, async () => {
      const found = await this.#docker.getContainer(id).inspect().catch(unless(404));
      return found?.State.Running === true ? Date.parse(found.State.StartedAt) : undefined;
    });
  }

  /** What a container said last before it ended: a sentence, not a log line nor a stack. */
  async lastWords(id: string): Promise<string | undefined> {
    const output = (await this.#try(`read the log of container ${id.slice(0, 12)}`, () =>
      this.#docker.getContainer(id).logs({ stdout: false, stderr: true, tail: LAST_LINES }),
    )) as Buffer;
    return lastSentenceIn(splitFrames(output));
  }

  /**
   * Tells of every event of the installation's containers from now on. Resolves when the stream has
   * begun; `onEnd` is called once when it ends.
   */
  async watch(
    installation: string,
    onEvent: (event: EngineEvent) => void,
    onEnd: () => void,
  ): Promise<{ close(): void }> {
    const filters = {
      type: ['container' as const],
      label: [`${LABELS.installation}=${installation}`],
      event: ['start', 'die', 'destroy', 'pause', 'unpause', 'oom'],
    };
    const stream = (await this.#try('watch events', () =>
      this.#streams.getEvents({ filters }),
    )) as Readable & { readonly socket?: Partial<Socket> };
    // A host that is gone does not say so: its kernel is asked whether it is there.
    stream.socket?.setKeepAlive?.(true, KEEP_ALIVE_MS);
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      stream.destroy();
      onEnd();
    };
    for (const event of ['end', 'error', 'close'] as const) stream.on(event, end);
    const lines = createInterface({ input: stream });
    lines.on('error', end); // it repeats those of its input
    lines.on('line', (line) => {
      const event = readEvent(line);
      if (event !== undefined && !isOver) onEvent(event);
    });
    return {
      close: () => {
        isOver = true;
        stream.destroy();
      },
    };
  }

  async #freeName({ name = '', Labels: labels }: ContainerCreateOptions): Promise<void> {
    const other = await this.#docker.getContainer(name).inspect().catch(unless(404));
    if (other === undefined) return;
    if (other.Config.Labels[LABELS.installation] !== labels?.[LABELS.installation]) {
      throw this.#nameTaken('container', name);
    }
    await this.remove(other.Id);
  }

  #nameTaken(what: 'container' | 'network', name: string): KeelsonError {
    return new KeelsonError(
      'IN_USE',
      `create ${what} ${name} on engine ${this.url}: a ${what} of another installation has that name; choose another --name-prefix`,
    );
  }

  async #try<T>(action: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw explainEngineError(this.url, action, error);
    }
  }
}

/** These answers are as good as the one that was hoped for. */
function unless(...statuses: readonly number[]): (error: unknown) => undefined {
  return (error) => {
    if (!statuses.includes(statusOf(error) ?? 0)) throw error;
    return undefined;
  };
}

function readContainer(info: Docker.ContainerInfo): FoundContainer {
  const { Id: id, Labels: labels, State: state, Created: createdAtSeconds } = info;
  const networks = Object.entries(info.NetworkSettings?.Networks ?? {});
  return {
    ...{ id, labels, state, createdAtSeconds, isLive: LIVE_STATES.includes(state) },
    addresses: Object.fromEntries(networks.map(([name, { IPAddress }]) => [name, IPAddress])),
    networkOf: /^container:(.+)/.exec(info.HostConfig?.NetworkMode ?? '')?.[1],
  };
}

function readEvent(line: string): EngineEvent | undefined {
  if (line.trim() === '') return undefined;
  const { Action: action = '', Actor: { ID: id = '', Attributes: labels = {} } = {} } = JSON.parse(
    line,
  ) as { Action?: string; Actor?: { ID?: string; Attributes?: Record<string, string> } };
  const exitCode = labels.exitCode === undefined ? undefined : Number(labels.exitCode);
  return { action, id, labels, exitCode };
}

/** Logs come in frames: 8 bytes of header, its last 4 the length (Docker API, attach). */
function splitFrames(output: Buffer): string {
  const parts: Buffer[] = [];
  for (let offset = 0; offset + 8 <= output.length; ) {
    const end = offset + 8 + output.readUInt32BE(offset + 4);
    parts.push(output.subarray(offset + 8, end));
    offset = end;
  }
  return Buffer.concat(parts).toString('utf8');
}
