import { Agent, type ClientRequest, request } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';
import { parseJson, readObject } from '../../replica/common/validate.ts';
import { decodeMembership, type Membership } from '../protocol/membership.ts';
import {
  decodeRegistration,
  REGISTRATION_POLL_MS,
  type Registration,
  registrationPath,
} from '../protocol/registration.ts';

/** The door to the membership registry. */
export interface Registry {
  /** Errors: a KeelsonError when the registry does not answer, or not with a registration. */
  read(): Promise<Registration>;
  /**
   * The registration as soon as its revision is not this one, or as it is after a while.
   *
   * Errors: as `read`, also when `signal` ends the wait.
   */
  readAfter(revision: number, signal: AbortSignal): Promise<Registration>;
  /**
   * Compare-and-swap. Returns the record as the registry has it afterwards, whether ours was stored
   * or another was there first; undefined when no answer came, so nobody knows.
   */
  change(membership: Membership): Promise<Membership | undefined>;
}

/** A registry that does not answer for this long is asked again. */
const ANSWER_MS = 2_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * On Kubernetes one of several orchestrators answers at this address, chosen anew for every
 * connection; for a while after its node died a dead one may be chosen. Writes wait for the answer, and
 * within a cluster a connection takes a millisecond: so whoever has not answered by then counts as away
 * and another one is asked. The later ones get more time, or slow networks would never be heard. With one
 * orchestrator of two away, one time in 128 is not enough.
 */
const CONNECT_LIMITS_MS: readonly number[] = [100, 100, 100, 100, 400, 800, 1_600];

/**
 * A wait for the next registration is silent for a minute. If its peer dies with its node, nothing
 * says so but this: 4 s of silence, then 3 questions 2 s apart make 10 s.
 */
const KEEP_ALIVE = { enable: true, initialDelay: 4_000, interval: 2_000, count: 3 };

/** While the registry is away nothing changes that it could tell. */
const FOLLOW_RETRY_MS = 1_000;

interface Question {
  readonly method: string;
  readonly url: URL;
  readonly body: string;
  readonly connectMs: number;
}

interface Waiting {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Nobody has heard the question. */
class NotConnected extends KeelsonError {}

/** The orchestrator's registry over HTTP (controller/protocol/registration.ts). */
export class HttpRegistry implements Registry {
  readonly #url: URL;
  readonly #secret: Buffer;
  /** No idle connection is kept: after a start the registry is asked a few times a year. */
  readonly #agent = new Agent({ keepAlive: false });

  constructor(options: { url: string; namespace: string; name: string; secret: Buffer }) {
    this.#url = new URL(registrationPath(options.namespace, options.name), options.url);
    this.#secret = options.secret;
  }

  read(): Promise<Registration> {
    return this.#read(this.#url);
  }

  readAfter(revision: number, signal: AbortSignal): Promise<Registration> {
    const url = new URL(`?after=${revision}`, this.#url);
    return this.#read(url, { signal, timeout: REGISTRATION_POLL_MS + ANSWER_MS });
  }

  async change(membership: Membership): Promise<Membership | undefined> {
    const url = new URL(`${this.#url.pathname}/membership`, this.#url);
    try {
      const { status, body } = await this.#ask('PUT', url, JSON.stringify(membership));
      const answer = readObject(parseJson(body, 'membership'), 'membership');
      if (status === 200) return decodeMembership(answer);
      if (status === 409) return decodeMembership(answer.membership);
      return undefined;
    } catch (error) {
      if (error instanceof KeelsonError) return undefined;
      throw error;
    }
  }

  async #read(url: URL, waiting: Waiting = {}): Promise<Registration> {
    const { status, body } = await this.#ask('GET', url, '', waiting);
    if (status !== 200) throw new KeelsonError('UNAVAILABLE', explain(url, status, body));
    return decodeRegistration(parseJson(body, 'registration'));
  }

  /** As `#askOnce`, on another connection when one cannot be made: the question is asked once. */
  async #ask(method: string, url: URL, body = '', waiting: Waiting = {}): Promise<Answer> {
    let failure: NotConnected | undefined;
    for (const connectMs of CONNECT_LIMITS_MS) {
      try {
        return await this.#askOnce({ method, url, body, connectMs }, waiting);
      } catch (error) {
        if (!(error instanceof NotConnected)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #askOnce(
    { method, url, body, connectMs }: Question,
    { signal, timeout = ANSWER_MS }: Waiting,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const fail = (cause: unknown): void => {
      const message = `ask the registry at ${url}: ${messageOf(cause)}`;
      const Kind = isUnreachable(cause) ? NotConnected : KeelsonError;
      reject(new Kind('UNAVAILABLE', message, { cause }));
    };
    const headers = {
      authorization: `Bearer ${this.#secret.toString('hex')}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const options = { method, headers, agent: this.#agent, timeout, ...(signal ? { signal } : {}) };
    const asked = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) asked.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', fail);
    });
    asked.on('socket', (socket) => limitConnecting(asked, socket, connectMs));
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)));
    asked.on('error', fail);
    asked.end(body);
    return promise;
  }
}

function limitConnecting(asked: ClientRequest, socket: Socket, limitMs: number): void {
  const timer = setTimeout(() => asked.destroy(new ConnectTimeout(limitMs)), limitMs);
  socket.once('connect', () => {
    clearTimeout(timer);
    socket.setKeepAlive(KEEP_ALIVE);
  });
  socket.once('close', () => clearTimeout(timer));
}

class ConnectTimeout extends Error {
  constructor(limitMs: number) {
    super(`not connected within ${limitMs} ms`);
  }
}

/** Somebody who refuses is there, and is asked again by and by. */
function isUnreachable(cause: unknown): boolean {
  return cause instanceof ConnectTimeout || systemCodeOf(cause) === 'EHOSTUNREACH';
}

/** Tells of every new registration until `signal` ends it. One request a minute when none comes. */
export async function followRegistration(options: {
  readonly registry: Registry;
  readonly from: Registration;
  readonly signal: AbortSignal;
  readonly onChange: (registration: Registration) => void;
}): Promise<void> {
  const { registry, from, signal, onChange } = options;
  let { revision } = from;
  while (!signal.aborted) {
    try {
      const registration = await registry.readAfter(revision, signal);
      if (signal.aborted || registration.revision === revision) continue;
      revision = registration.revision;
      onChange(registration);
    } catch (error) {
      if (!(error instanceof KeelsonError)) throw error;
      await pause(FOLLOW_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

function explain(url: URL, status: number, body: string): string {
  return `ask the registry at ${url}: expected status 200, got ${status}: ${body.slice(0, 200)}`;
}
