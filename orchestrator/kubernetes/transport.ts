import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';
import type { Access, TlsMaterial } from './access.ts';
import { readLines } from './read-lines.ts';

export interface Asked {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With the query. */
  readonly path: string;
  readonly body?: { readonly type: string; readonly text: string };
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface TransportLimits {
  /** From the question to the end of the answer. */
  readonly answerMs: number;
  readonly answerBytes: number;
  /** Longest line of a watch. */
  readonly lineBytes: number;
  /** How long a watch may say nothing. */
  readonly silenceMs: number;
}

const MIB = 1024 * 1024;

export const TRANSPORT_LIMITS: TransportLimits = {
  answerMs: 10_000,
  answerBytes: 64 * MIB,
  // etcd takes no object above 1.5 MiB; as JSON it may be some times that.
  lineBytes: 16 * MIB,
  // A server sends a bookmark about every minute. One that is gone is noticed by KEEP_ALIVE.
  silenceMs: 150_000,
};

/**
 * Within 4 s a server that cannot be reached any more is known to be so: about as soon as nodes are given
 * up that do not answer, which may be ourselves who are cut off.
 */
const KEEP_ALIVE = { enable: true, initialDelay: 2_000, interval: 1_000, count: 2 };

/** Proxies before a server end idle connections after 50 s and the like, so ours must go first. */
const IDLE_SOCKET_MS = 15_000;

/** The server has room for some hundred at a time, of all its clients. */
const MAX_AT_ONCE = 32;

/** How often a question is put that the server did not look at. */
const MAX_TRIES = 3;

/** How long we wait for a server that is busy, if it does not say. */
const BUSY_MS = 1_000;
const MAX_BUSY_MS = 3_000;

interface Agents {
  readonly tls: TlsMaterial;
  readonly answers: http.Agent;
  readonly watches: http.Agent;
}

export interface WatchDoor {
  readonly signal: AbortSignal;
  readonly onOpen: () => void;
  readonly onRefused: (answer: Answer) => never;
}

/** HTTP with one API server. Errors of all calls: UNAVAILABLE, in words without the request. */
export class Transport {
  readonly #access: Access;
  readonly #limits: TransportLimits;
  readonly #shownServer: string;
  #agents: Agents | undefined;
  #requestCount = 0;
  #isClosed = false;

  constructor(access: Access, limits: TransportLimits) {
    this.#access = access;
    this.#limits = limits;
    const { origin, pathname } = new URL(access.server);
    this.#shownServer = `${origin}${pathname}`.replace(/\/$/, '');
  }

  /** All that were sent since the start, watches included. */
  get requestCount(): number {
    return this.#requestCount;
  }

  /** Ends everything that is under way. */
  close(): void {
    this.#isClosed = true;
    this.#destroyAgents();
  }

  /** Whatever its status is. Errors begin with `what`. */
  async request(asked: Asked, what: string): Promise<Answer> {
    const limit = AbortSignal.timeout(this.#limits.answerMs);
    try {
      for (let triesLeft = MAX_TRIES - 1; ; triesLeft -= 1) {
        const response = await this.#send(asked, 'answers', limit);
        const status = response.statusCode ?? 0;
        const text = await this.#read(response);
        // RFC 6585 section 4: it was not looked at, so it may be asked again.
        if (status !== 429 || triesLeft === 0) return { status, text };
        await pause(busyMs(response.headers['retry-after']), undefined, { signal: limit });
      }
    } catch (error) {
      throw this.#explain(what, error, limit.aborted ? this.#limits.answerMs : undefined);
    }
  }

  /**
   * The lines of an answer that does not end by itself, until the server ends it or `signal` does.
   * An answer of another status than 200 goes to `onRefused`, which throws; else `onOpen` is called.
   */
  async *watch(
    path: string,
    what: string,
    { signal, onOpen, onRefused }: WatchDoor,
  ): AsyncGenerator<string> {
    const { answerMs, silenceMs, lineBytes } = this.#limits;
    const ending = new AbortController();
    const end = () => ending.abort();
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    let limitMs = answerMs;
    let timer = setTimeout(end, limitMs);
    try {
      const response = await this.#send({ method: 'GET', path }, 'watches', ending.signal);
      const status = response.statusCode ?? 0;
      if (status !== 200) onRefused({ status, text: await this.#read(response) });
      const rearm = () => {
        clearTimeout(timer);
        timer = setTimeout(end, limitMs);
      };
      limitMs = silenceMs;
      rearm();
      onOpen();
      yield* readLines(listening(response, rearm), lineBytes);
    } catch (error) {
      throw this.#explain(what, error, ending.signal.aborted ? limitMs : undefined);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      ending.abort();
    }
  }

  async #send(
    asked: Asked,
    kind: 'answers' | 'watches',
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> {
    const { headers, tls, proxy } = await this.#access.credentials();
    if (this.#isClosed) throw new Error('we have closed it');
    const agent = proxy ?? this.#agentsFor(tls)[kind];
    const { method, path, body } = asked;
    const options = {
      ...{ method, agent, signal },
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': 'keelson',
        ...(body === undefined
          ? {}
          : { 'content-type': body.type, 'content-length': Buffer.byteLength(body.text) }),
      },
    };
    try {
      return await this.#exchange(path, options, body?.text);
    } catch (error) {
      if (method !== 'GET' || !(error instanceof StaleSocket)) throw error;
      return await this.#exchange(path, options, undefined);
    }
  }

  #exchange(
    path: string,
    options: https.RequestOptions,
    text: string | undefined,
  ): Promise<http.IncomingMessage> {
    this.#requestCount += 1;
    const url = new URL(`${this.#access.server.replace(/\/+$/, '')}${path}`);
    const { request } = url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const asked = request(url, options);
      asked.on('response', resolve);
      asked.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => socket.setKeepAlive(KEEP_ALIVE));
      });
      asked.on('error', (error) => {
        const isStale = asked.reusedSocket && systemCodeOf(error) === 'ECONNRESET';
        reject(isStale ? new StaleSocket() : error);
      });
      asked.end(text);
    });
  }

  async #read(response: http.IncomingMessage): Promise<string> {
    const { answerBytes } = this.#limits;
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > answerBytes) throw new Error(`its answer has more than ${answerBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  /** Connections stay open, unless what they were opened with has changed. */
  #agentsFor(tls: TlsMaterial): Agents {
    if (this.#agents !== undefined && isDeepStrictEqual(this.#agents.tls, tls)) return this.#agents;
    const { Agent } = this.#access.server.startsWith('https:') ? https : http;
    const options = { ...given(tls), keepAlive: true, timeout: IDLE_SOCKET_MS };
    const answers = new Agent({ ...options, maxSockets: MAX_AT_ONCE });
    // What the old ones are busy with ends by itself.
    this.#agents = { tls, answers, watches: new Agent(options) };
    return this.#agents;
  }

  #destroyAgents(): void {
    this.#agents?.answers.destroy();
    this.#agents?.watches.destroy();
    this.#agents = undefined;
  }

  /** `limitMs`: of what has run out, if it has. */
  #explain(what: string, error: unknown, limitMs: number | undefined): KeelsonError {
    if (error instanceof KeelsonError) return error;
    const why = limitMs === undefined ? reasonOf(error) : `no answer within ${limitMs / 1000} s`;
    const message = `${what}: the Kubernetes API at ${this.#shownServer} does not answer: ${why}`;
    return new KeelsonError('UNAVAILABLE', message, { cause: error });
  }
}

async function* listening(
  stream: AsyncIterable<Buffer>,
  onChunk: () => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    onChunk();
    yield chunk;
  }
}

/** The server had closed it while nobody used it: it has not seen the question. */
class StaleSocket extends Error {
  constructor() {
    super('the server closed the connection');
  }
}

/** One that tried several addresses has no message of its own. */
function reasonOf(error: unknown): string {
  const code = systemCodeOf(error);
  const message = messageOf(error);
  return message === '' ? (code ?? 'it closed the connection') : message;
}

function busyMs(retryAfter: string | undefined): number {
  const seconds = Number(retryAfter);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, MAX_BUSY_MS) : BUSY_MS;
}

/** An option that is there but undefined is not the same to node:tls as one that is not. */
function given(tls: TlsMaterial): TlsMaterial {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
}
