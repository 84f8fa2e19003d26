import type { Deployment, Service } from '../../kubernetes/objects.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import { hasStopped, isLive, type PodState, templateIn } from './pod-state.ts';
import { avoidedBy, pinnedNodeOf, recipeOf } from './workloads.ts';

/** What there is of one process. */
export interface Present {
  readonly service: Service | undefined;
  readonly deployment: Deployment | undefined;
  readonly pods: readonly PodState[];
}

/** What is to be called next. All of them are decided on what is there now; those after a wait are not. */
export type Call =
  | { readonly kind: 'create-service' }
  | { readonly kind: 'create-deployment' }
  /** As it is to be; its pods are made anew if their template is another one. */
  | { readonly kind: 'replace-deployment' }
  | { readonly kind: 'scale-to-none' }
  | { readonly kind: 'remove-deployment' }
  /**
   * The address of its process leads to it no more. Kubernetes would let it until the pod is gone, a
   * while after its network: whoever connected in between would wait for nobody.
   */
  | { readonly kind: 'retire-pod'; readonly pod: PodState }
  /** By force: without its node, which cannot be asked. */
  | { readonly kind: 'remove-pod'; readonly pod: PodState; readonly isForced: boolean };

export interface Wish {
  readonly process: ProcessSpec;
  /** Of a Deployment that is made now. */
  readonly recipe: string | undefined;
  /** Nodes that are down and to which Kubernetes would still give pods. */
  readonly avoids: readonly string[];
  readonly isDown: (node: string) => boolean;
  /** It is to be started now: what kubelet waits with is started anew. */
  readonly isStarting: boolean;
}

/** What a process needs that is to run. Nothing to call: kubelet and the controllers do the rest. */
export function callsToRun(wish: Wish, present: Present): Call[] {
  const { process, isDown } = wish;
  const { service, deployment, pods } = present;
  const calls: Call[] = [];
  if (service === undefined) calls.push({ kind: 'create-service' });
  if (deployment === undefined) {
    // A controller tells its portal, which is the address of its Service.
    const isKnown = service?.spec?.clusterIP !== undefined || process.role === 'replica';
    if (isKnown) calls.push({ kind: 'create-deployment' });
  } else if (isToReplace(wish, deployment, pods)) calls.push({ kind: 'replace-deployment' });
  for (const pod of pods) {
    if (pod.node !== undefined && isDown(pod.node)) {
      // A replica's pod stays: it belongs to its node, and is there when that is back.
      if (process.role === 'controller') calls.push({ kind: 'remove-pod', pod, isForced: true });
    } else if (pod.isTerminating) {
      if (isInTheWay(pod, process, deployment)) {
        calls.push({ kind: 'remove-pod', pod, isForced: true });
      } else if (pod.isServing) calls.push({ kind: 'retire-pod', pod });
    } else if (isSpent(pod, wish)) {
      calls.push({ kind: 'remove-pod', pod, isForced: false });
    }
  }
  return calls;
}

/** What is left to be done until nothing of a process runs or comes back. Empty: wait, or it is done. */
export function callsToEnd(
  { deployment, pods }: Present,
  isDown: (node: string) => boolean,
): Call[] {
  if (pods.length === 0) return deployment === undefined ? [] : [{ kind: 'remove-deployment' }];
  const calls: Call[] = [];
  if (deployment !== undefined && deployment.spec?.replicas !== 0) {
    calls.push({ kind: 'scale-to-none' });
  }
  for (const pod of pods) {
    const isLost = pod.node !== undefined && isDown(pod.node);
    // Scaled to none, live ones are stopped; others nobody cares for.
    const isLeft = !isLive(pod) || deployment === undefined;
    if (isLost || hasStopped(pod)) calls.push({ kind: 'remove-pod', pod, isForced: true });
    else if (isLeft && !pod.isTerminating) calls.push({ kind: 'remove-pod', pod, isForced: false });
  }
  return calls;
}

function isToReplace(
  { process, recipe, avoids, isDown }: Wish,
  deployment: Deployment,
  pods: readonly PodState[],
): boolean {
  if (deployment.spec?.replicas !== 1) return true;
  // Somebody has changed it: a copy is on one node, and its pod may run on no other (I9).
  if (process.role === 'replica' && pinnedNodeOf(deployment) !== process.node) return true;
  const live = pods.filter(isLive);
  const isLost = ({ node }: PodState) => node !== undefined && isDown(node);
  const isInUse = live.some((pod) => {
    return !isLost(pod) && (pod.phase === 'running' || pod.phase === 'restarting');
  });
  // What runs is left as it is, and what kubelet is about to start again: it comes back sooner so.
  if (isInUse) return false;
  if (recipeOf(deployment) !== recipe) return true;
  if (process.role === 'replica') return false;
  const avoided = avoidedBy(deployment);
  // Each time costs the pod that there is: only for one that is where it must not be, or finds no place.
  if (live.some(isLost)) return avoids.some((node) => !avoided.includes(node));
  const isHomeless = live.some(({ node, heldUp }) => node === undefined && heldUp !== undefined);
  return isHomeless && avoided.some((node) => !isDown(node));
}

/**
 * Whether the next pod waits for this one, because its Deployment was replaced (its strategy is
 * Recreate). Two controllers may run for a moment, the epoch keeps the old one out (I4); two replicas
 * would be after the same directory.
 */
function isInTheWay(
  pod: PodState,
  { role }: ProcessSpec,
  deployment: Deployment | undefined,
): boolean {
  const { template } = deployment?.spec ?? {};
  if (template === undefined || templateIn(template.metadata) === pod.template) return false;
  return role === 'controller' || hasStopped(pod);
}

/** Whether nothing comes of a pod any more, or not soon. */
function isSpent({ phase }: PodState, { isStarting }: Wish): boolean {
  return phase === 'ended' || (phase === 'backing-off' && isStarting);
}
