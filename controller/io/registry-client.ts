import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
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

/** While the registry is away nothing changes that it could tell. */
const FOLLOW_RETRY_MS = 1_000;

interface Waiting {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

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

  #ask(
    method: string,
    url: URL,
    body = '',
    { signal, timeout = ANSWER_MS }: Waiting = {},
  ): Promise<{ status: number; body: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
    const fail = (cause: unknown): void => {
      const message = `ask the registry at ${url}: ${messageOf(cause)}`;
      reject(new KeelsonError('UNAVAILABLE', message, { cause }));
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
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)));
    asked.on('error', fail);
    asked.end(body);
    return promise;
  }
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
