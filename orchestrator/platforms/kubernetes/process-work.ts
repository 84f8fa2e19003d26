import type { Clock } from '../../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { KubeApi } from '../../kubernetes/kube-api.ts';
import type { ProcessState } from '../../model/view.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import { KeyedQueue } from '../../reconcile/keyed-queue.ts';
import { Calls } from './calls.ts';
import { processName } from './names.ts';
import { callsToEnd, callsToRun, type Present } from './next-calls.ts';
import type { WorkloadContext } from './platform-options.ts';
import { isLive, type PodState } from './pod-state.ts';
import { type Owner, ownerOf, type ProcessObjects } from './process-objects.ts';
import { recipeOf } from './workloads.ts';

/** What there is to know of the run of a process. */
export interface WorkRun {
  readonly spec: ProcessSpec;
  readonly state: ProcessState;
  readonly startedAtMs: number;
  readonly podUid: string | undefined;
}

export interface ProcessWorkOptions {
  readonly context: WorkloadContext;
  readonly api: KubeApi;
  readonly objects: ProcessObjects;
  readonly log: Log;
  readonly clock: Clock;
  /** Nodes that are down and to which Kubernetes would still give pods. */
  readonly avoids: () => readonly string[];
  readonly isDown: (node: string) => boolean;
  readonly runOf: (key: string) => WorkRun | undefined;
  /** Before a pod is removed without its node. */
  readonly onForced: (pod: PodState) => void;
  /** It cannot be brought up so. */
  readonly onFailure: (key: string, reason: string) => void;
  /** Nothing of it runs or comes back. */
  readonly onGone: (key: string) => void;
  /** It does not begin, and its pod does not say why; perhaps the disk of its node is missing. */
  readonly onSlow: (key: string, why: { reason: string; isDisk: boolean }) => void;
}

interface Ending {
  readonly owner: Owner;
  readonly done: PromiseWithResolvers<void>;
}

/** A call that found something else than was known is decided on anew after this. */
const AGAIN_MS = 50;
/** What is being ended is looked at this often, should nothing tell of it. */
const LOOK_MS = 1_000;
/** Longer than a pod takes that can start, on a busy machine: its network, its volumes, its container. */
const SLOW_MS = 30_000;

/** Makes of every process what it should be: one worker per process, on what is there now. */
export class ProcessWork {
  readonly #options: ProcessWorkOptions;
  readonly #calls: Calls;
  readonly #queue: KeyedQueue;
  /** Processes of which nothing is to be left, by key. */
  readonly #endings = new Map<string, Ending>();

  constructor(options: ProcessWorkOptions) {
    const { api, context, objects, onForced, log } = options;
    this.#options = options;
    this.#calls = new Calls({ api, context, objects, onForced });
    this.#queue = new KeyedQueue(
      (key) => this.#work(key),
      (process, error) =>
        log.warn('bring up or end a process', { process, error: messageOf(error) }),
    );
  }

  /** Does what is left to do of this process, now. */
  add(key: string): void {
    this.#queue.add(key);
  }

  isEnding(key: string): boolean {
    return this.#endings.has(key);
  }

  /** Resolves when nothing of it runs or comes back. Its address stays. */
  end(owner: Owner): Promise<void> {
    const ending = this.#endings.get(owner.key) ?? {
      owner,
      done: Promise.withResolvers<void>(),
    };
    this.#endings.set(owner.key, ending);
    this.#queue.add(owner.key);
    return ending.done.promise;
  }

  /** As `end`; and its address goes as well. Errors: those of the API. */
  async remove(owner: Owner): Promise<void> {
    await this.end(owner);
    await this.#calls.removeService(this.#options.objects.present(owner));
  }

  close(): void {
    this.#queue.close();
  }

  /** Returns when to look again. Errors: those of the API that pass by themselves. */
  async #work(key: string): Promise<number | undefined> {
    const ending = this.#endings.get(key);
    if (ending !== undefined) return this.#workToEnd(key, ending);
    const run = this.#options.runOf(key);
    if (run === undefined || run.state === 'down' || run.state === 'stopping') return undefined;
    const { spec } = run;
    const present = this.#options.objects.present(ownerOf(spec));
    try {
      return await this.#workToRun(run, present);
    } catch (error) {
      if (!(error instanceof KeelsonError) || error.code === 'UNAVAILABLE') throw error;
      if (await this.#isOutdated(error, spec)) return this.#options.clock.nowMs() + AGAIN_MS;
      if (run.state === 'starting') this.#fail(key, error);
      else throw error;
      return undefined;
    }
  }

  async #workToRun(run: WorkRun, present: Present): Promise<number | undefined> {
    const { isDown, objects } = this.#options;
    const { spec: process, state } = run;
    const avoids = this.#options.avoids();
    const made = this.#calls.makeDeployment(process, present, avoids);
    const recipe = made === undefined ? undefined : recipeOf(made);
    const isStarting = state === 'starting';
    const calls = callsToRun({ process, recipe, avoids, isDown, isStarting }, present);
    await this.#calls.carryOut(calls, present, { process, made });
    if (run.state !== 'starting') return undefined;
    const { pods } = objects.present(ownerOf(process));
    const hasBegun = pods.some(({ uid, phase }) => uid === run.podUid && phase === 'running');
    return hasBegun ? undefined : this.#whenSlow(run, pods);
  }

  /** When it has taken too long; tells so when it has. */
  #whenSlow({ spec, startedAtMs }: WorkRun, pods: readonly PodState[]): number | undefined {
    const slowAtMs = startedAtMs + SLOW_MS;
    if (this.#options.clock.nowMs() < slowAtMs) return slowAtMs;
    const { namespace, dataRoot } = this.#options.context;
    const pod = pods.find((one) => isLive(one) && one.phase !== 'running');
    const isDisk = spec.role === 'replica' && pod?.isAttended === true;
    const what = pod === undefined ? 'Kubernetes has made no pod for it' : 'its pod has not begun';
    const guess = isDisk ? `; is ${dataRoot} there on ${spec.node}?` : '';
    const object = pod === undefined ? `deployment ${processName(spec)}` : `pod ${pod.name}`;
    const reason =
      `${what} for ${SLOW_MS / 1000} s${guess}; ` +
      `see kubectl -n ${namespace} describe ${object}`;
    this.#options.onSlow(spec.key, { reason, isDisk });
    return undefined;
  }

  async #workToEnd(key: string, { owner, done }: Ending): Promise<number | undefined> {
    const { objects, isDown, runOf, onGone, clock } = this.#options;
    const present = objects.present(owner);
    const spec = runOf(key)?.spec;
    if (present.deployment === undefined && present.pods.length === 0) {
      this.#endings.delete(key);
      onGone(key);
      done.resolve();
      return undefined;
    }
    try {
      await this.#calls.carryOut(callsToEnd(present, isDown), present);
    } catch (error) {
      if (!(error instanceof KeelsonError) || spec === undefined) throw error;
      if (await this.#isOutdated(error, spec)) return clock.nowMs() + AGAIN_MS;
      throw error;
    }
    return clock.nowMs() + LOOK_MS;
  }

  /** Whether a call failed because things are not as they were known; then they are known anew. */
  async #isOutdated({ code }: KeelsonError, spec: ProcessSpec): Promise<boolean> {
    if (code !== 'CONFLICT' && code !== 'NOT_FOUND' && code !== 'ALREADY_EXISTS') return false;
    try {
      await this.#options.objects.refresh(spec);
      return true;
    } catch (error) {
      if (!(error instanceof KeelsonError) || error.code === 'UNAVAILABLE') throw error;
      this.#fail(spec.key, error);
      return true;
    }
  }

  #fail(key: string, error: KeelsonError): void {
    this.#options.onFailure(key, `cannot start: ${error.message}`);
  }
}
