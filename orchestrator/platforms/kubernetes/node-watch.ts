import type { Clock } from '../../../replica/common/clock.ts';
import type { KubeNode } from '../../kubernetes/objects.ts';
import type { Endpoint } from '../../model/address-plan.ts';
import type { ObservedNode } from '../../plan/observed.ts';
import type { Probe } from '../prober.ts';

export interface NodeWatchOptions {
  readonly clock: Clock;
  readonly probe: Probe;
  readonly nodes: () => readonly KubeNode[];
  /** Whether something of ours runs there, so that it is worth asking. */
  readonly isUsed: (node: string) => boolean;
  /** Where processes of ours on that node answer. */
  readonly doorsOn: (node: string) => readonly Endpoint[];
  /**
   * False while the API server does not answer: then it may be we who are cut off, and nothing could
   * be done anyway.
   */
  readonly canJudge: () => boolean;
  /** A node went away or is back. */
  readonly onChange: (node: string) => void;
}

export type Down = NonNullable<ObservedNode['down']>;

interface Watched {
  /** As Kubernetes has it. */
  notReady: Down | undefined;
  /** As we have it. */
  silent: Down | undefined;
  /** In a row. */
  misses: number;
  nextProbeAtMs: number;
  /** -Infinity: never since it was first asked. */
  answeredAtMs: number;
  /** When the first of the misses was asked. */
  missedSinceMs: number;
}

/** The port of every kubelet. */
const KUBELET_PORT = 10_250;

/** One that answers is asked this often. */
const INTERVAL_MS = 2_000;
/** One that may be gone. Asked anew before the last answer is overdue: silence costs no extra time. */
const SUSPECT_INTERVAL_MS = 500;
/** An answer that takes longer counts as none. */
const ANSWER_MS = 1_000;
/**
 * So many in a row, and a node is down: with the above 2 to 4.5 s after it went silent. One lost packet
 * is no reason, nor two: TCP sends a lost SYN again after 1 s.
 */
const MAX_MISSES = 3;
/** Of our own processes there, so many are asked as well before a node is given up. */
const MAX_DOORS = 3;

/** Ticks come every 100 ms: when one is so late, it was we who were held up. */
const HELD_UP_MS = 500;

const NO_SUCH_NODE = 'it is no node of the cluster any more';

/**
 * Which nodes are down, well before Kubernetes says so. A node whose Ready condition is not True is; so
 * is one that runs something of ours and does not answer at all. Being wrong costs the restart of a
 * controller, never data: the epoch keeps the old one out (I4).
 */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #watched = new Map<string, Watched>();
  #tickedAtMs = Number.POSITIVE_INFINITY;
  /** What was asked before this may have been answered without our seeing it. */
  #heldUpAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
  }

  /** Since when and why nothing can be started there. */
  downOf(name: string): Down | undefined {
    const watched = this.#watched.get(name);
    if (watched === undefined) return { sinceMs: 0, reason: NO_SUCH_NODE };
    const { notReady, silent } = watched;
    if (notReady === undefined || silent === undefined) return notReady ?? silent;
    return silent.sinceMs < notReady.sinceMs ? silent : notReady;
  }

  /** Nodes that are down, which Kubernetes has not noticed yet. */
  unnoticed(): string[] {
    const watched = [...this.#watched].filter(([, { notReady, silent }]) => {
      return silent !== undefined && notReady === undefined;
    });
    return watched.map(([name]) => name);
  }

  /** Takes in what Kubernetes says now. Tells of what changed. */
  look(): void {
    const nodes = new Map(this.#options.nodes().map((node) => [node.metadata.name, node]));
    for (const [name, node] of nodes) this.#change(name, whyNotReady(node));
    for (const name of this.#watched.keys()) {
      if (!nodes.has(name)) this.#change(name, NO_SUCH_NODE);
    }
  }

  /** Asks those whose turn it is. To be called every 100 ms or so. */
  tick(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#tickedAtMs > HELD_UP_MS) this.#heldUpAtMs = nowMs;
    this.#tickedAtMs = nowMs;
    for (const node of this.#options.nodes()) {
      const { name } = node.metadata;
      const watched = this.#watched.get(name);
      if (watched === undefined || nowMs < watched.nextProbeAtMs) continue;
      const isSuspect = watched.misses > 0 || watched.silent !== undefined;
      watched.nextProbeAtMs = nowMs + SUSPECT_INTERVAL_MS;
      if (!isSuspect && !this.#options.isUsed(name)) continue;
      // One that has never answered may have gone before anybody asked.
      const isNew = watched.answeredAtMs === Number.NEGATIVE_INFINITY;
      if (!isSuspect && !isNew) watched.nextProbeAtMs = nowMs + INTERVAL_MS;
      void this.#ask(node, watched, nowMs);
    }
  }

  async #ask(node: KubeNode, watched: Watched, askedAtMs: number): Promise<void> {
    const { probe, doorsOn } = this.#options;
    const { name } = node.metadata;
    const address = internalAddressOf(node);
    const kubelet = address === undefined ? [] : [{ host: address, port: KUBELET_PORT }];
    const doors = watched.misses > 0 ? doorsOn(name).slice(0, MAX_DOORS) : [];
    const isAnswered = await Promise.any(
      [...kubelet, ...doors].map(async (endpoint) => {
        // A refusal is an answer: somebody is there to refuse.
        if ((await probe(endpoint, ANSWER_MS)) === 'silent') throw new Error('no answer');
        return true;
      }),
    ).catch(() => false);
    if (isAnswered) this.#onAnswer(name, watched, askedAtMs);
    else this.#onMiss(name, watched, askedAtMs);
  }

  #onAnswer(name: string, watched: Watched, askedAtMs: number): void {
    watched.answeredAtMs = Math.max(watched.answeredAtMs, askedAtMs);
    watched.misses = 0;
    watched.nextProbeAtMs = this.#options.clock.nowMs() + INTERVAL_MS;
    if (watched.silent === undefined) return;
    watched.silent = undefined;
    this.#options.onChange(name);
  }

  #onMiss(name: string, watched: Watched, askedAtMs: number): void {
    if (askedAtMs <= watched.answeredAtMs) return; // it has answered a later question
    if (askedAtMs < this.#heldUpAtMs) return;
    if (watched.misses === 0) {
      watched.missedSinceMs = askedAtMs;
      watched.nextProbeAtMs = this.#options.clock.nowMs();
    }
    watched.misses += 1;
    if (watched.misses < MAX_MISSES || watched.silent !== undefined) return;
    if (!this.#options.canJudge()) return;
    const silentMs = this.#options.clock.nowMs() - watched.missedSinceMs;
    const reason = `it has not answered for ${(silentMs / 1000).toFixed(1)} s`;
    watched.silent = { sinceMs: watched.missedSinceMs, reason };
    if (watched.notReady === undefined) this.#options.onChange(name);
  }

  #change(name: string, reason: string | undefined): void {
    const nowMs = this.#options.clock.nowMs();
    const watched = this.#watched.get(name);
    if (watched === undefined) {
      this.#watched.set(name, {
        ...{ notReady: reason === undefined ? undefined : { sinceMs: nowMs, reason } },
        ...{ silent: undefined, misses: 0, nextProbeAtMs: nowMs },
        ...{ answeredAtMs: Number.NEGATIVE_INFINITY, missedSinceMs: 0 },
      });
      this.#options.onChange(name);
      return;
    }
    // What Kubernetes says of it changes while it comes back; why it went is what counts.
    if ((watched.notReady === undefined) === (reason === undefined)) return;
    const wasDown = this.downOf(name) !== undefined;
    watched.notReady = reason === undefined ? undefined : { sinceMs: nowMs, reason };
    if ((this.downOf(name) !== undefined) !== wasDown) this.#options.onChange(name);
  }
}

export function internalAddressOf(node: KubeNode | undefined): string | undefined {
  return node?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
}

function whyNotReady({ metadata, status }: KubeNode): string | undefined {
  if (metadata.deletionTimestamp !== undefined) return NO_SUCH_NODE;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'True') return undefined;
  return `Kubernetes has it as not ready: ${ready?.message ?? 'its kubelet has said nothing yet'}`;
}
