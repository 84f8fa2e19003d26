import { assert, unreachable } from '../../../replica/common/assert.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import type { KubeApi } from '../../kubernetes/kube-api.ts';
import type { Deployment, Service } from '../../kubernetes/objects.ts';
import { DEPLOYMENTS, PODS, SERVICES } from '../../kubernetes/resources.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import { LABELS } from './names.ts';
import type { Call, Present } from './next-calls.ts';
import type { WorkloadContext } from './platform-options.ts';
import type { PodState } from './pod-state.ts';
import type { ProcessObjects } from './process-objects.ts';
import { controllerDeployment, replicaDeployment, serviceOf, wishedAddress } from './workloads.ts';

export interface CallsOptions {
  readonly api: KubeApi;
  readonly context: WorkloadContext;
  readonly objects: ProcessObjects;
  /** Whatever runs in it may go on. */
  readonly onForced: (pod: PodState) => void;
}

/** A process that is to run, and its Deployment as it is to be. */
interface Target {
  readonly process: ProcessSpec;
  readonly made: Deployment | undefined;
}

/** Carries out what was decided (next-calls.ts), nothing later than it can be. */
export class Calls {
  readonly #options: CallsOptions;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /**
   * What a pod is made from goes before the removal of the pod that it replaces; everything else goes at
   * once. Errors: those of the API.
   */
  async carryOut(calls: readonly Call[], present: Present, target?: Target): Promise<void> {
    const isRemoval = ({ kind }: Call) => kind === 'remove-pod';
    const first = calls.filter((call) => !isRemoval(call));
    await Promise.all(first.map((call) => this.#carryOut(call, present, target)));
    const removals = calls.filter(isRemoval);
    await Promise.all(removals.map((call) => this.#carryOut(call, present, target)));
  }

  /** The Deployment that a process is to have; undefined while its address is not known. */
  makeDeployment(
    process: ProcessSpec,
    { service }: Present,
    avoids: readonly string[],
  ): Deployment | undefined {
    const { context } = this.#options;
    if (process.role === 'replica') return replicaDeployment(context, process);
    const clusterIP = service?.spec?.clusterIP;
    if (clusterIP === undefined) return undefined;
    return controllerDeployment(context, process, { clusterIP, avoids });
  }

  async removeService({ service }: Present): Promise<void> {
    if (service === undefined) return;
    await this.#options.api.remove(SERVICES, service.metadata);
    this.#options.objects.services.noteGone(service.metadata);
  }

  async #carryOut(
    call: Call,
    { deployment: existing }: Present,
    target: Target | undefined,
  ): Promise<void> {
    const { api, context, objects } = this.#options;
    const { deployments, services } = objects;
    const made = target?.made;
    switch (call.kind) {
      case 'create-service':
        assert(target !== undefined, 'only what is to run gets an address');
        services.note(await this.#createService(target.process));
        return;
      case 'create-deployment':
        if (made !== undefined) deployments.note(await api.create(DEPLOYMENTS, made));
        return;
      case 'replace-deployment': {
        if (made === undefined || existing?.metadata.uid === undefined) return;
        // Its uid: should it have been removed and made anew meanwhile, this one is not meant.
        const metadata = { ...made.metadata, uid: existing.metadata.uid };
        deployments.note(await api.replace(DEPLOYMENTS, { ...made, metadata }));
        return;
      }
      case 'scale-to-none':
        if (existing === undefined) return;
        deployments.note(
          await api.patch(DEPLOYMENTS, existing.metadata, { spec: { replicas: 0 } }),
        );
        return;
      case 'remove-deployment':
        if (existing === undefined) return;
        await api.remove(DEPLOYMENTS, existing.metadata, { propagation: 'background' });
        deployments.noteGone(existing.metadata);
        return;
      case 'retire-pod': {
        const { uid, name } = call.pod;
        const metadata = { uid, labels: { [LABELS.serves]: null } };
        const { namespace } = context;
        objects.pods.note(await api.patch(PODS, { namespace, name }, { metadata }));
        return;
      }
      case 'remove-pod':
        return this.#removePod(call);
      default:
        return unreachable(call, 'call');
    }
  }

  async #createService(process: ProcessSpec): Promise<Service> {
    const { api, context } = this.#options;
    const address = wishedAddress(process);
    if (address !== undefined) {
      try {
        return await api.create(SERVICES, serviceOf(context, process, address));
      } catch (error) {
        // Somebody has it by now, or the range is another one: any address is better than none.
        if (!(error instanceof KeelsonError && error.code === 'INVALID_ARGUMENT')) throw error;
      }
    }
    return api.create(SERVICES, serviceOf(context, process));
  }

  async #removePod({ pod, isForced }: Extract<Call, { kind: 'remove-pod' }>): Promise<void> {
    const { api, context, objects, onForced } = this.#options;
    const name = { namespace: context.namespace, name: pod.name };
    if (isForced) onForced(pod);
    try {
      await api.remove(PODS, name, { uid: pod.uid, ...(isForced ? { graceSeconds: 0 } : {}) });
    } catch (error) {
      // Of that name there is another one by now: the one that was meant is gone.
      if (!(error instanceof KeelsonError && error.code === 'CONFLICT')) throw error;
    }
    if (isForced && objects.pods.get(name)?.metadata.uid === pod.uid) objects.pods.noteGone(name);
  }
}
