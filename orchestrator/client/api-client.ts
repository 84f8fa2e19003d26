import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import {
  ERROR_CODES,
  type ErrorCode,
  KeelsonError,
  messageOf,
  systemCodeOf,
} from '../../replica/common/errors.ts';
import type { NodeUse } from '../model/node.ts';
import type { RuleFields } from '../model/rule.ts';
import type { VolumeUpdate } from '../model/update.ts';
import type { EventView, NodeView, RuleView, VersionView, VolumeView } from '../model/view.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import { readServerSentEvents } from './server-sent-events.ts';

export interface VolumeWish extends VolumeName {
  /** As people write it; see size.ts. */
  readonly size?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Labels that count where neither the volume nor a rule says anything. */
  readonly defaults?: Readonly<Record<string, string>>;
  readonly chap?: ChapCredentials;
  /** Gets the first copy, if it takes copies. */
  readonly preferredNode?: string;
}

export interface ApiClientOptions {
  readonly url: string;
  /** The installation's token; an API that listens on loopback only may do without. */
  readonly token?: string;
  /** How long one answer may take. */
  readonly timeoutMs?: number;
  /** How long the first answer to a read may take, before it is asked once more. */
  readonly readMs?: number;
  /** How long one event stream is read before it is opened anew. */
  readonly streamMs?: number;
}

export interface VolumeFilter {
  readonly namespace?: string | undefined;
  /** `env==prod,owner`; see selector.ts. */
  readonly selector?: string | undefined;
}

export interface EventFilter {
  readonly volume?: VolumeName | undefined;
  readonly namespace?: string | undefined;
  /** Only what came after the event of this number. */
  readonly since?: number | undefined;
}

type Query = Readonly<Record<string, string | undefined>>;

/** A deletion may take a child's whole grace period; everything else answers within seconds. */
const TIMEOUT_MS = 35_000;

/**
 * What only reads is answered in a moment. Where several orchestrators share an address, it may have
 * gone to one whose node has just died: it is asked anew, and waited for twice as long.
 */
const READ_MS = 5_000;

/** fetch gives up a stream on which nothing came for 300 s, and nothing may happen for longer. */
const STREAM_MS = 240_000;

/**
 * The orchestrator's HTTP API. It trusts the orchestrator's answers to have the shapes of view.ts.
 *
 * Errors: UNAVAILABLE when nobody answers; else the code that the orchestrator gave.
 */
export class ApiClient {
  readonly #url: string;
  readonly #timeoutMs: number;
  readonly #readMs: number;
  readonly #streamMs: number;
  readonly #authorization: Readonly<Record<string, string>>;

  constructor(options: ApiClientOptions) {
    const { url, token, timeoutMs = TIMEOUT_MS, streamMs = STREAM_MS } = options;
    this.#readMs = Math.min(timeoutMs, options.readMs ?? READ_MS);
    this.#url = url.replace(/\/+$/, '');
    this.#timeoutMs = timeoutMs;
    this.#streamMs = streamMs;
    this.#authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  createVolume(wish: VolumeWish): Promise<VolumeView> {
    return this.#call('POST', '/v1/volumes', wish);
  }

  volumes(filter: VolumeFilter = {}): Promise<VolumeView[]> {
    return this.#call('GET', `/v1/volumes${queryOf({ ...filter })}`);
  }

  volume(name: VolumeName): Promise<VolumeView> {
    return this.#call('GET', `/v1/volumes/${addressOf(name)}`);
  }

  updateVolume(name: VolumeName, update: VolumeUpdate): Promise<VolumeView> {
    return this.#call('PATCH', `/v1/volumes/${addressOf(name)}`, update);
  }

  async deleteVolume(name: VolumeName, options: { isForced: boolean }): Promise<void> {
    await this.#call('DELETE', `/v1/volumes/${addressOf(name)}?force=${options.isForced}`);
  }

  /** The same rule is found when it exists. */
  createRule(rule: RuleFields): Promise<RuleView> {
    return this.#call('POST', '/v1/rules', rule);
  }

  /** Creates it, or replaces the one of that name. */
  putRule({ namespace, name, ...rest }: RuleFields): Promise<RuleView> {
    return this.#call('PUT', `/v1/rules/${addressOf({ namespace, name })}`, rest);
  }

  rules(namespace?: string): Promise<RuleView[]> {
    return this.#call('GET', `/v1/rules${queryOf({ namespace })}`);
  }

  rule(name: VolumeName): Promise<RuleView> {
    return this.#call('GET', `/v1/rules/${addressOf(name)}`);
  }

  async deleteRule(name: VolumeName): Promise<void> {
    await this.#call('DELETE', `/v1/rules/${addressOf(name)}`);
  }

  nodes(): Promise<NodeView[]> {
    return this.#call('GET', '/v1/nodes');
  }

  node(name: string): Promise<NodeView> {
    return this.#call('GET', nodePath(name));
  }

  changeNode(name: string, use: Partial<NodeUse>): Promise<NodeView> {
    return this.#call('PATCH', nodePath(name), use);
  }

  async removeNode(name: string, options: { isForced: boolean }): Promise<void> {
    await this.#call('DELETE', `${nodePath(name)}?force=${options.isForced}`);
  }

  /** What is kept of what happened. */
  pastEvents(filter: EventFilter = {}): Promise<EventView[]> {
    return this.#call('GET', `/v1/events${queryOf({ ...asQuery(filter), follow: 'false' })}`);
  }

  /**
   * State changes from now on, or from `since` on, until `signal` ends them.
   *
   * Errors: UNAVAILABLE when the orchestrator ends; what `signal` says.
   */
  async *events(filter: EventFilter, signal: AbortSignal): AsyncGenerator<EventView> {
    // From now on, even if the stream has to be opened anew before the first event.
    let since = filter.since ?? (await this.pastEvents(filter)).at(-1)?.sequence ?? 0;
    for (;;) {
      const renewal = AbortSignal.timeout(this.#streamMs);
      try {
        const either = AbortSignal.any([signal, renewal]);
        for await (const event of this.#stream({ ...filter, since }, either)) {
          since = event.sequence;
          yield event;
        }
        throw new KeelsonError('UNAVAILABLE', `the orchestrator at ${this.#url} has stopped`);
      } catch (error) {
        if (signal.aborted) throw error;
        if (!renewal.aborted)
          throw error instanceof KeelsonError ? error : this.#unreachable(error);
      }
    }
  }

  async *#stream(filter: EventFilter, signal: AbortSignal): AsyncGenerator<EventView> {
    const response = await this.#fetch(`/v1/events${queryOf(asQuery(filter))}`, { signal });
    if (response.body === null) return;
    for await (const data of readServerSentEvents(response.body)) {
      yield JSON.parse(data) as EventView;
    }
  }

  version(): Promise<VersionView> {
    return this.#call('GET', '/v1/version');
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const ask = async (limitMs: number): Promise<T> => {
      const response = await this.#fetch(path, {
        method,
        signal: AbortSignal.timeout(limitMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return (await this.#jsonIn(response)) as T;
    };
    let limitMs = method === 'GET' ? this.#readMs : this.#timeoutMs;
    for (let leftMs = this.#timeoutMs; ; limitMs *= 2) {
      try {
        return await ask(Math.min(limitMs, leftMs));
      } catch (error) {
        // Given up, its connection is closed: the next one goes by another.
        leftMs -= limitMs;
        if (!isTimeout(error) || leftMs <= 0) throw error;
      }
    }
  }

  async #jsonIn(response: Response): Promise<unknown> {
    const text = await response.text().catch((error: unknown) => {
      throw this.#unreachable(error);
    });
    try {
      return JSON.parse(text);
    } catch (cause) {
      const message = `${this.#url} answers, but not with JSON: expected an orchestrator there`;
      throw new KeelsonError('PROTOCOL_VIOLATION', message, { cause });
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      const headers = { 'content-type': 'application/json', ...this.#authorization };
      response = await fetch(`${this.#url}${path}`, { ...init, headers });
    } catch (error) {
      if (init.signal?.reason?.name === 'AbortError') throw error; // by whoever called
      throw this.#unreachable(error);
    }
    if (!response.ok) throw await errorIn(response);
    return response;
  }

  #unreachable(error: unknown): KeelsonError {
    // fetch hides the system's error, and its code, in the cause of its own.
    const cause = (error as { cause?: unknown }).cause ?? error;
    const message =
      systemCodeOf(cause) === 'ECONNREFUSED'
        ? `no orchestrator answers at ${this.#url}; start one with: npm start`
        : `reach the orchestrator at ${this.#url}: ${messageOf(cause)}`;
    return new KeelsonError('UNAVAILABLE', message, { cause });
  }
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof KeelsonError && (error.cause as Error | undefined)?.name === 'TimeoutError'
  );
}

function asQuery({ volume, namespace, since }: EventFilter): Query {
  return {
    volume: volume === undefined ? undefined : addressOf(volume),
    namespace,
    since: since === undefined ? undefined : String(since),
  };
}

/** `?a=b&c=d` of what is not undefined. */
function queryOf(query: Query): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => {
    return pair[1] !== undefined;
  });
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** Whatever was typed stays one part of the path. */
function nodePath(name: string): string {
  return `/v1/nodes/${encodeURIComponent(name)}`;
}

async function errorIn(response: Response): Promise<KeelsonError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    const code: ErrorCode = error.code in ERROR_CODES ? (error.code as ErrorCode) : 'INTERNAL';
    return new KeelsonError(code, String(error.message));
  } catch {
    return new KeelsonError('INTERNAL', `HTTP ${response.status} without an explanation`);
  }
}
