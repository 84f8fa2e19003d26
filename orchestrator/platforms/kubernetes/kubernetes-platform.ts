import { setTimeout as sleep } from 'node:timers/promises';
import { placeOfInstance } from '../../../controller/protocol/instance-id.ts';
import { assert } from '../../../replica/common/assert.ts';
import { monotonicClock } from '../../../replica/common/clock.ts';
import { messageOf } from '../../../replica/common/errors.ts';
import type { Change } from '../../kubernetes/kube-api.ts';
import type { Pod } from '../../kubernetes/objects.ts';
import { PODS } from '../../kubernetes/resources.ts';
import { type Endpoint, showEndpoint } from '../../model/address-plan.ts';
import { addressOf, placeOf, type RemovedCopy, type VolumeRecord } from '../../model/volume.ts';
import type { ObservedProcess } from '../../plan/observed.ts';
import { type ProcessSpec, processesOf, replicaKey } from '../../plan/processes.ts';
import { WRONG_DISK_EXIT_CODE } from '../exit-reason.ts';
import type { Platform, PlatformNode } from '../platform.ts';
import { type Run as BaseRun, Runs } from '../runs.ts';
import { choosePod, follow } from './follow.ts';
import { InstanceEnds } from './instance-ends.ts';
import { KubernetesNodes } from './kubernetes-nodes.ts';
import { LABELS, type ObjectOwner, readOwner } from './names.ts';
import type { KubernetesPlatformOptions } from './platform-options.ts';
import { isLive, type PodState, readPod } from './pod-state.ts';
import { type Owner, ownerOf, ProcessObjects } from './process-objects.ts';
import { ProcessWork } from './process-work.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { adminPortOf, pinnedNodeOf } from './workloads.ts';

/** Which pod a process runs in. */
interface Place {
  /** undefined until something has run in it. */
  podUid: string | undefined;
  node: string | undefined;
  /** Of the pod itself. */
  address: string | undefined;
  /** It is being asked whether it serves. */
  isAsked: boolean;
  /** Why it has not begun, as it was told last. */
  heldUp: string | undefined;
}

type Run = BaseRun<Place>;

/** A process that has just begun answers after a few of these; each is twice as long as the last. */
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 500;
const ANSWER_MS = 1_000;

/**
 * Every controller and replica is a Deployment of one pod behind a Service (ADR 0026). Kubernetes keeps
 * them running; this says where, replaces what Kubernetes would wait with, and tells what happens.
 * Nothing here is remembered that is not in the objects: an orchestrator that starts reads them.
 */
export class KubernetesPlatform implements Platform {
  readonly name = 'kubernetes';
  readonly addresses: ServiceAddresses;
  readonly #options: KubernetesPlatformOptions;
  readonly #objects: ProcessObjects;
  readonly #nodes: KubernetesNodes;
  readonly #work: ProcessWork;
  readonly #runs: Runs<Place>;
  /** By process: the container whose end was told last. */
  readonly #toldEnds = new Map<string, string>();
  /** Of controllers. */
  readonly #ends = new InstanceEnds();
  #isOpen = false;
  #isClosed = false;

  constructor(options: KubernetesPlatformOptions) {
    const { api, namespace, clock = monotonicClock } = options;
    this.#options = options;
    this.addresses = new ServiceAddresses(namespace);
    this.#runs = new Runs<Place>(
      () => ({
        ...{ podUid: undefined, node: undefined, address: undefined },
        ...{ isAsked: false, heldUp: undefined },
      }),
      clock,
    );
    this.#objects = new ProcessObjects({
      ...{ api, namespace },
      onService: ({ before, after }) => {
        if (after !== undefined) this.addresses.note(after);
        else if (before !== undefined) this.addresses.noteGone(before);
      },
      onPod: (owner, change) => this.#onPod(owner, change),
      onChange: (owner) => this.#onObjects(owner),
    });
    this.#nodes = new KubernetesNodes({
      ...{ ...options, context: options, clock, objects: this.#objects },
      doorsOn: (node) => this.#doorsOn(node),
      onChange: () => this.#onNodes(),
    });
    this.#work = new ProcessWork({
      ...{ context: options, api, objects: this.#objects, log: options.log, clock },
      avoids: () => this.#nodes.unnoticed(),
      isDown: (node) => this.#nodes.whyDown(node) !== undefined,
      runOf: (key) => this.#runs.get(key),
      onForced: ({ uid }) => this.#ends.noteForced(uid),
      onFailure: (key, reason) => this.#endRun(key, reason),
      onGone: (key) => this.#endRun(key, 'stopped'),
      onSlow: (key, why) => this.#onSlow(key, why),
    });
  }

  /** Resolves once `addresses` knows every process that has one. */
  whenAddressed(): Promise<void> {
    return this.#objects.whenReady();
  }

  /** Finds what there is. Nothing may be started before that. */
  async open(): Promise<void> {
    await this.#objects.whenReady();
    this.#removeOldJobs();
    await this.#nodes.open();
    const wanted = this.#options.wanted();
    for (const owner of this.#objects.owners()) {
      const spec = wanted.get(owner.key);
      if (spec?.volume.id === owner.volumeId) this.#adopt(spec, 'ready');
      else this.#onUnwanted(owner, wanted);
    }
    this.#isOpen = true;
    for (const pod of this.#objects.pods.all()) {
      const owner = readOwner(pod.metadata.labels);
      // What ended while nobody led, and was not followed by another one in its pod.
      if (owner !== undefined && readPod(pod).phase !== 'running') {
        this.#onPod(owner, { before: undefined, after: pod });
      }
    }
  }

  /**
   * A pod that was removed while its node was away runs until its kubelet hears of that; and when its
   * controller ends, because another one has the epoch, kubelet starts it again.
   */
  whyReplaced(instanceId: string): string | undefined {
    const uid = placeOfInstance(instanceId);
    if (uid === undefined || !this.#objects.isCurrent || this.#objects.hasPod(uid)) {
      return undefined;
    }
    return `its pod ${uid} was removed`;
  }

  observe(volume: string): ObservedProcess[] {
    return this.#runs.observe(volume);
  }

  observeNodes(): PlatformNode[] {
    return this.#nodes.observe();
  }

  start(spec: ProcessSpec): void {
    this.#runs.begin(spec, 'starting');
    this.#look(spec.key);
  }

  async stop(key: string): Promise<void> {
    const run = this.#runs.get(key);
    if (run === undefined || run.state === 'down') return;
    run.isStopped = true;
    run.state = 'stopping';
    await this.#work.end(ownerOf(run.spec));
  }

  async eraseCopy(volume: VolumeRecord['spec'], { replicaId, node }: RemovedCopy): Promise<void> {
    const key = replicaKey(addressOf(volume), replicaId);
    const run = this.#runs.get(key);
    assert(run === undefined || run.state === 'down', 'an erased copy has no process', { key });
    // Kubernetes may be about to start it once more.
    await this.#work.remove({ volumeId: volume.id, key });
    await this.#nodes.eraseCopy(volume, node);
    this.#forget(key);
  }

  async erase(record: VolumeRecord): Promise<string[]> {
    const { spec } = record;
    for (const { state, spec: process } of this.#runs.ofVolume(addressOf(spec))) {
      assert(state === 'down', 'no process of an erased volume is left', { key: process.key });
    }
    const found = this.#objects.owners().filter(({ volumeId }) => volumeId === spec.id);
    const owners = [...processesOf(record).map(ownerOf), ...found];
    const byKey = new Map(owners.map((owner) => [owner.key, owner]));
    await Promise.all([...byKey.values()].map((owner) => this.#work.remove(owner)));
    const nodes = [...Object.values(record.membership.copies), ...record.removed].map(
      ({ node }) => node,
    );
    const up = nodes.filter((node) => this.#nodes.isUp(node));
    await Promise.all(up.map((node) => this.#nodes.eraseCopy(spec, node)));
    for (const key of byKey.keys()) this.#forget(key);
    const down = nodes.filter((node) => !up.includes(node));
    return down.map((node) => `${node}:${this.#nodes.directoryOf(spec)}`);
  }

  /** Everything goes on: volumes outlive their orchestrator. */
  async close(): Promise<void> {
    this.kill();
  }

  kill(): void {
    this.#isClosed = true;
    this.#work.close();
    this.#nodes.close();
    this.#objects.close();
  }

  #onObjects({ key, volumeId }: Owner): void {
    if (!this.#isOpen || this.#isClosed) return;
    const run = this.#runs.get(key);
    if (run !== undefined && run.spec.volume.id !== volumeId) return; // of a volume that was deleted
    this.#look(key);
  }

  #onNodes(): void {
    if (!this.#isOpen || this.#isClosed) return;
    const runs = this.#runs.all().filter(({ state }) => state !== 'down');
    // First of all what has to be started elsewhere: it is what the initiator waits for.
    for (const role of ['controller', 'replica']) {
      for (const { spec } of runs) if (spec.role === role) this.#look(spec.key);
    }
    this.#options.onChange({ kind: 'nodes-changed' });
  }

  /** Level-triggered: brings the run in line with its pods, and lets the work be done that is left. */
  #look(key: string): void {
    const run = this.#runs.get(key);
    if (run !== undefined && run.state !== 'down') {
      if (run.state !== 'stopping') this.#follow(run);
      this.#work.add(key);
      return;
    }
    const spec = this.#options.wanted().get(key);
    if (spec !== undefined && !this.#work.isEnding(key)) this.#adopt(spec, 'starting');
    this.#work.add(key);
  }

  #follow(run: Run): void {
    const { spec } = run;
    const { pods } = this.#objects.present(ownerOf(spec));
    const pinnedTo = spec.role === 'replica' ? spec.node : undefined;
    const toldEnd = this.#toldEnds.get(spec.key);
    const step = follow({ podUid: run.podUid, pinnedTo, toldEnd }, pods, (node) =>
      this.#nodes.whyDown(node),
    );
    if (step.kind === 'ended') {
      const { reason, end } = step;
      if (end !== undefined) this.#toldEnds.set(spec.key, end.containerId);
      if (end?.exitCode === WRONG_DISK_EXIT_CODE && spec.role === 'replica') {
        this.#nodes.reportDisk(spec.node, end.words ?? 'its directory is not there');
      }
      this.#endRun(spec.key, reason);
      // Kubelet may have started it again by now.
      if (this.#runs.get(spec.key)?.state === 'down') this.#look(spec.key);
      return;
    }
    const { pod } = step;
    // Its pod is being replaced.
    if (pod === undefined) run.state = 'starting';
    Object.assign(run, { podUid: pod?.uid, node: pod?.node, address: pod?.address });
    if (run.state === 'starting') {
      if (pod === undefined) this.#tellHeldUp(run, pods.filter(isLive));
      else void this.#awaitAnswer(run);
    }
  }

  /** What runs already is, or becomes, the run of its process. */
  #adopt(spec: ProcessSpec, state: 'starting' | 'ready'): void {
    const { pods } = this.#objects.present(ownerOf(spec));
    const isNew = this.#runs.get(spec.key) === undefined;
    const pinnedTo = spec.role === 'replica' ? spec.node : undefined;
    const place = { pinnedTo, toldEnd: this.#toldEnds.get(spec.key) };
    const pod = choosePod(place, pods, (node) => this.#nodes.whyDown(node));
    if (pod?.phase !== 'running') return;
    // Of what is new here, earlier ends were told by an earlier orchestrator.
    if (isNew && pod.lastEnd !== undefined) this.#toldEnds.set(spec.key, pod.lastEnd.containerId);
    const run = this.#runs.begin(spec, state);
    this.#follow(run);
    this.#work.add(spec.key);
  }

  /** Found when an orchestrator starts: left by one that ended before it was done. */
  #onUnwanted(owner: ObjectOwner, wanted: ReadonlyMap<string, ProcessSpec>): void {
    const { log } = this.#options;
    const { deployment } = this.#objects.present(owner);
    const node = deployment === undefined ? undefined : pinnedNodeOf(deployment);
    const sibling = [...wanted.values()].find(({ volume }) => volume.id === owner.volumeId);
    if (sibling === undefined || node === undefined || owner.role === 'controller') {
      // It may be the only thing that still serves data whose record is damaged.
      log.warn('a process that belongs to no volume is left as it is; remove it by hand', {
        ...{ process: owner.key, volumeId: owner.volumeId },
        deployment: deployment?.metadata.name ?? 'none',
      });
      return;
    }
    const { volume, secret, slot } = sibling;
    const replicaId = deployment?.metadata.labels?.[LABELS.replicaId] ?? '';
    const spec = {
      role: 'replica',
      key: owner.key,
      volume,
      secret,
      slot,
      replicaId,
      node,
    } as const;
    const run = this.#runs.begin(spec, 'stopping');
    run.isStopped = true;
    void this.#work.end(owner);
  }

  #endRun(key: string, reason: string): void {
    const run = this.#runs.get(key);
    if (run === undefined || run.state === 'down') return;
    const { spec: process, isStopped } = run;
    const quickExits = this.#runs.end(run);
    // Which controller it was is told by itself; see InstanceEnds.
    const facts = { instanceId: undefined, reason, isStopped, quickExits };
    this.#options.onChange({ kind: 'exited', process, ...facts });
  }

  /** Whose end was seen holds no lease any more: told before another one is started (I7). */
  #onPod({ role, key, volumeId }: ObjectOwner, { before, after }: Change<Pod>): void {
    const pod = after ?? before;
    const process = this.#runs.get(key)?.spec ?? this.#options.wanted().get(key);
    if (role !== 'controller' || pod === undefined || !this.#isOpen) return;
    if (process?.volume.id !== volumeId) return;
    for (const instanceId of this.#ends.take(pod, after === undefined)) {
      this.#options.onChange({ kind: 'instance-gone', process, instanceId });
    }
  }

  /** Asks until it answers, or is not what it was. */
  async #awaitAnswer(run: Run): Promise<void> {
    if (run.isAsked) return;
    run.isAsked = true;
    const port = adminPortOf(run.spec.role);
    for (let pauseMs = FIRST_PAUSE_MS; this.#isAwaited(run); ) {
      const host = run.address;
      if (host === undefined) break;
      const result = await this.#nodes.probe({ host, port }, ANSWER_MS);
      // Meanwhile its pod may have been replaced.
      if (result === 'open' && this.#isAwaited(run) && run.address === host) this.#onAnswer(run);
      else await sleep(pauseMs);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
    run.isAsked = false;
  }

  #isAwaited({ state }: Run): boolean {
    return state === 'starting' && !this.#isClosed;
  }

  #onAnswer(run: Run): void {
    run.state = 'ready';
    const { spec: process } = run;
    const place = placeOf({ spec: process.volume, slot: process.slot });
    const endpoint =
      process.role === 'controller'
        ? this.addresses.portal(place)
        : this.addresses.replica(place, process);
    this.#options.onChange({ kind: 'ready', process, address: showEndpoint(endpoint) });
  }

  #tellHeldUp(run: Run, pods: readonly PodState[]): void {
    const reason = pods.map(({ heldUp }) => heldUp).find((one) => one !== undefined);
    if (reason === undefined || reason === run.heldUp) return;
    run.heldUp = reason;
    this.#options.onChange({ kind: 'held-up', process: run.spec, reason });
  }

  #onSlow(key: string, { reason, isDisk }: { reason: string; isDisk: boolean }): void {
    const run = this.#runs.get(key);
    if (run?.state !== 'starting' || run.heldUp !== undefined) return;
    run.heldUp = reason;
    this.#options.onChange({ kind: 'held-up', process: run.spec, reason });
    if (isDisk && run.spec.role === 'replica') this.#nodes.reportDisk(run.spec.node, reason);
  }

  #doorsOn(node: string): Endpoint[] {
    return this.#runs.all().flatMap(({ node: place, address, spec }) => {
      return place === node && address !== undefined
        ? [{ host: address, port: adminPortOf(spec.role) }]
        : [];
    });
  }

  /** Of an earlier orchestrator: nobody waits for them any more. */
  #removeOldJobs(): void {
    const { api, log } = this.#options;
    for (const { metadata } of this.#objects.pods.all()) {
      if (metadata.labels?.[LABELS.role] !== 'job') continue;
      api.remove(PODS, metadata).catch((error: unknown) => {
        log.warn('remove the pod of an old job', { pod: metadata.name, error: messageOf(error) });
      });
    }
  }

  #forget(key: string): void {
    this.#runs.forget(key);
    this.#toldEnds.delete(key);
  }
}
