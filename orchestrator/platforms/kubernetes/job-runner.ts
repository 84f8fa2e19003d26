import { randomBytes } from 'node:crypto';
import { KeelsonError, messageOf } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { Informer, KubeApi } from '../../kubernetes/kube-api.ts';
import type { Pod } from '../../kubernetes/objects.ts';
import { PODS } from '../../kubernetes/resources.ts';
import { WRONG_DISK_EXIT_CODE } from '../exit-reason.ts';
import { type JobEnd, jobPod, type NodeJob, readJobEnd } from './jobs.ts';
import type { WorkloadContext } from './platform-options.ts';
import { readPod } from './pod-state.ts';

export interface JobRunnerOptions {
  readonly api: KubeApi;
  readonly context: WorkloadContext;
  /** Of all pods of ours. */
  readonly pods: Informer<Pod>;
  readonly log: Log;
}

/**
 * What has not begun by then waits for a directory that is missing, most likely: it counts as one that
 * did not find it.
 */
const START_MS = 40_000;
/** Erasing a large copy takes its time. */
const END_MS = 120_000;

/** Does jobs on nodes: each is a pod, which is removed once its end was read. */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  /** By name of the pod. */
  readonly #waiting = new Map<string, (pod: Pod | undefined) => void>();

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    options.pods.subscribe(({ before, after }) => {
      const name = (after ?? before)?.metadata.name ?? '';
      this.#waiting.get(name)?.(after);
    });
  }

  /** Errors: those of the API; UNAVAILABLE when it can never start, or takes too long. */
  async run(job: NodeJob): Promise<JobEnd> {
    const { api, context } = this.#options;
    const pod = jobPod(context, job, randomBytes(4).toString('hex'));
    const end = this.#whenEnded(pod, job);
    end.catch(() => undefined); // it is awaited once the pod is made
    try {
      await api.create(PODS, pod);
      return await end;
    } finally {
      this.#waiting.delete(pod.metadata.name);
      this.#remove(pod);
    }
  }

  #whenEnded({ metadata }: Pod, { node, kind }: NodeJob): Promise<JobEnd> {
    const { promise, resolve, reject } = Promise.withResolvers<JobEnd>();
    // The pod itself is removed.
    const hint = `see kubectl -n ${metadata.namespace} get events --field-selector involvedObject.name=${metadata.name}`;
    const fail = (reason: string) => {
      reject(new KeelsonError('UNAVAILABLE', `${kind} on ${node}: ${reason}; ${hint}`));
    };
    let hasStarted = false;
    const { dataRoot } = this.#options.context;
    const startTimer = setTimeout(() => {
      if (hasStarted) return;
      const sentence = `a pod there has not begun for ${START_MS / 1000} s; is ${dataRoot} there?`;
      resolve({ exitCode: WRONG_DISK_EXIT_CODE, sentence });
    }, START_MS);
    const endTimer = setTimeout(() => fail(`not done after ${END_MS / 1000} s`), END_MS);
    // An orchestrator that ends waits for no job: the next one removes them.
    for (const timer of [startTimer, endTimer]) timer.unref();
    this.#waiting.set(metadata.name, (pod) => {
      if (pod === undefined) return fail('its pod was removed');
      const { phase, heldUp } = readPod(pod);
      const end = readJobEnd(pod);
      hasStarted ||= phase !== 'waiting';
      if (end !== undefined) resolve(end);
      else if (heldUp !== undefined) fail(`its pod cannot start: ${heldUp}`);
    });
    const stopTimers = () => {
      clearTimeout(startTimer);
      clearTimeout(endTimer);
    };
    promise.then(stopTimers, stopTimers);
    return promise;
  }

  #remove({ metadata }: Pod): void {
    const { api, log } = this.#options;
    api.remove(PODS, metadata).catch((error: unknown) => {
      log.warn('remove the pod of a job', { pod: metadata.name, error: messageOf(error) });
    });
  }
}
