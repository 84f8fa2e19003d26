import type { ControllerStatus, SyncProgress } from '../../../../../controller/protocol/status.ts';
import { targetNameOf } from '../../../../../controller/protocol/target-name.ts';
import { EventLog } from '../../../../../orchestrator/events/event-log.ts';
import { Installation } from '../../../../../orchestrator/installation/installation.ts';
import type {
  AnyObject,
  Condition,
  RuleObject,
  Secret,
  VolumeObject,
} from '../../../../../orchestrator/kubernetes/objects.ts';
import {
  EVENTS,
  NAMESPACES,
  NODES,
  RULES,
  SECRETS,
  VOLUMES,
} from '../../../../../orchestrator/kubernetes/resources.ts';
import { conditionsIn } from '../../../../../orchestrator/operator/conditions.ts';
import { startOperator } from '../../../../../orchestrator/operator/operator.ts';
import type { Operator } from '../../../../../orchestrator/operator/options.ts';
import type { ProcessChange } from '../../../../../orchestrator/platforms/platform.ts';
import { type KubeStore, openKubeStore } from '../../../../../orchestrator/registry/kube-store.ts';
import { Registry } from '../../../../../orchestrator/registry/registry.ts';
import { type FakeClient, FakeKube } from '../../support/fake-kube.ts';
import { claimed } from '../../support/records.ts';
import { FakePlatform } from './fake-platform.ts';
import { silentLog } from './silent-log.ts';

const SYSTEM = 'keelson-system';

/**
 * An orchestrator that leads, with its operator, over an API server in memory. The platform only says
 * that everything runs; time is that of the fake timers.
 */
export class OperatorStage {
  readonly kube = new FakeKube();
  readonly client: FakeClient = this.kube.client();
  readonly platform = new FakePlatform();
  readonly events = new EventLog(() => new Date());
  /** Initiators that are logged in, by volume; null: its controller does not answer. */
  readonly sessions = new Map<string, number | null>();
  /** Bytes of 1,000 that the sync of the last copy has moved, by volume. */
  readonly synced = new Map<string, number>();
  #store: KubeStore | undefined;
  #installation: Installation | undefined;
  #operator: Operator | undefined;

  static async start(nodeCount = 3): Promise<OperatorStage> {
    const stage = new OperatorStage();
    stage.kube.put(NAMESPACES, { metadata: { name: 'kube-system', uid: 'c1' } });
    for (let number = 1; number <= nodeCount; number += 1) stage.addNode(`n${number}`);
    await stage.lead();
    return stage;
  }

  get installation(): Installation {
    if (this.#installation === undefined) throw new Error('nobody leads');
    return this.#installation;
  }

  /** Another pod takes over: it knows what the server knows. */
  async lead(): Promise<void> {
    const { client: api, platform, events } = this;
    const [volumes, rules, nodes] = [api.inform(VOLUMES), api.inform(RULES), api.inform(NODES)];
    const common = { api, namespace: SYSTEM, volumes, rules, nodes, log: silentLog };
    this.#store = await openKubeStore({ ...common, nodeSelector: undefined });
    const makePlatform = (onChange: (change: ProcessChange) => void) => {
      platform.onChange = onChange;
      return platform;
    };
    const installation = new Installation({
      registry: new Registry(this.#store),
      ...{ events, replaceAfterMs: 60_000, makePlatform },
      fetchStatus: async ({ host }) => this.#statusOf(host),
    });
    platform.registry = installation.registry;
    this.#installation = installation;
    installation.start();
    const now = () => new Date();
    this.#operator = startOperator({ ...common, installation, podName: 'pod-1', now });
    await pass(3_000);
  }

  async follow(): Promise<void> {
    await this.#operator?.close();
    this.#store?.close();
    await this.#installation?.close();
  }

  addNode(name: string): void {
    const conditions: Condition[] = [{ type: 'Ready', status: 'True' }];
    this.kube.put(NODES, { metadata: { name }, status: { conditions } });
  }

  /** As `kubectl apply`: labels and spec are from now on what is given. */
  async apply(
    name: string,
    spec: Readonly<Record<string, unknown>>,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const before = this.kube.get(VOLUMES, { namespace: 'shop', name });
    const metadata = { ...before?.metadata, namespace: 'shop', name, labels };
    if (before === undefined) this.kube.create(VOLUMES, { metadata, spec });
    else this.kube.replace(VOLUMES, { ...before, metadata, spec });
    await pass(1_500);
  }

  async applyRule(name: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
    const before = this.kube.get(RULES, { namespace: 'shop', name });
    const metadata = { ...before?.metadata, namespace: 'shop', name };
    if (before === undefined) this.kube.create(RULES, { metadata, spec });
    else this.kube.replace(RULES, { ...before, metadata, spec });
    await pass(3_000);
  }

  /** A controller has begun, and all copies are in sync. */
  async serve(name: string): Promise<void> {
    const address = `shop/${name}`;
    const { membership, secret } = this.installation.registry.require(address);
    const claim = claimed(membership, 'i1');
    const copies = Object.fromEntries(
      Object.entries(membership.copies).map(([replicaId, copy]) => {
        return [replicaId, { ...copy, dataId: replicaId, state: 'in-sync' as const }];
      }),
    );
    const { version, generation } = claim;
    const next = { ...claim, copies, version: version + 1, generation: generation + 1 };
    for (const change of [claim, next]) {
      const outcome = await this.installation.changeMembership(address, secret, change);
      if (!outcome.ok) throw new Error(`serve ${address}: ${outcome.reason}`);
    }
  }

  putSecret(name: string, text: Readonly<Record<string, string>>): void {
    const data = Object.entries(text).map(([key, value]) => {
      return [key, Buffer.from(value).toString('base64')] as const;
    });
    const secret: Secret = {
      metadata: { namespace: 'shop', name },
      ...{ type: 'kubernetes.io/iscsi-chap', data: Object.fromEntries(data) },
    };
    this.kube.put(SECRETS, secret);
  }

  volume(name: string): VolumeObject | undefined {
    return this.kube.get(VOLUMES, { namespace: 'shop', name });
  }

  rule(name: string): RuleObject | undefined {
    return this.kube.get(RULES, { namespace: 'shop', name });
  }

  /** `False NoRoom: place 6 copies …`; undefined: it has none of that type. */
  condition(name: string, type = 'Accepted'): string | undefined {
    return showCondition(this.volume(name)?.status, type);
  }

  /** `Warning NoRoom x1`, in the order in which they were first written. */
  eventsOf(name: string, pattern = /./): string[] {
    return this.kube
      .list(EVENTS)
      .map((event) => event as AnyObject & Readonly<Record<string, unknown>>)
      .filter(({ involvedObject }) => (involvedObject as { name: string }).name === name)
      .map(({ type, reason, message, count }) => `${type} ${reason} x${count}: ${message}`)
      .filter((text) => pattern.test(text));
  }

  #syncOf(name: string): { readonly sync?: SyncProgress } {
    const doneBytes = this.synced.get(name);
    return doneBytes === undefined ? {} : { sync: makeSync(doneBytes) };
  }

  #statusOf(host: string): ControllerStatus | undefined {
    const { registry } = this.installation;
    const record = registry.list().find(({ spec }) => spec.id === host);
    if (record === undefined) return undefined;
    const { spec, membership } = record;
    const sessions = this.sessions.get(spec.name) ?? 0;
    if (this.sessions.get(spec.name) === null) return undefined;
    return {
      ...{ volume: spec.id, instanceId: 'i1', epoch: membership.epoch, generation: 1 },
      ...{ health: this.synced.has(spec.name) ? 'degraded' : 'healthy', lz4: 'none' },
      copies: Object.entries(membership.copies).map(([replicaId, { node, state }], index, all) => ({
        ...{ replicaId, node, state, isConnected: true, isPrimary: index === 0 },
        ...(index === all.length - 1 ? this.#syncOf(spec.name) : {}),
      })),
      target: { name: targetNameOf(spec), portal: 'p', sessions, chap: 'none' },
    };
  }
}

function makeSync(doneBytes: number): SyncProgress {
  const estimates = { bytesPerSecond: 0, etaSeconds: 0 };
  return { doneBytes, totalBytes: 1_000, differenceBytes: 1_000 - doneBytes, ...estimates };
}

export function showCondition(
  status: Readonly<Record<string, unknown>> | undefined,
  type: string,
): string | undefined {
  const found = conditionsIn(status).find((condition) => condition.type === type);
  return found && `${found.status} ${found.reason}: ${found.message}`;
}

/** Noon, from which on only `pass` moves the time. What takes no time is done as it comes. */
export function stopTime(): void {
  const doNotFake = ['queueMicrotask', 'nextTick', 'setImmediate'] as const;
  jest.useFakeTimers({ now: new Date('2026-11-21T12:00:00Z'), doNotFake: [...doNotFake] });
}

/** One for each test of a file, in which time stands still. */
export function useStage(use: (stage: OperatorStage) => void | Promise<void>): void {
  let stage: OperatorStage | undefined;
  beforeEach(async () => {
    stopTime();
    stage = await OperatorStage.start();
    await use(stage);
  });
  afterEach(async () => {
    await stage?.follow();
    jest.useRealTimers();
  });
}

export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
}
