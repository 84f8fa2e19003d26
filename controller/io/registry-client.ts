import { Agent, request } from 'node:http';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import { parseJson, readObject } from '../../replica/common/validate.ts';
import { decodeMembership, type Membership } from '../protocol/membership.ts';
import {
  decodeRegistration,
  type Registration,
  registrationPath,
} from '../protocol/registration.ts';

/** The door to the membership registry. */
export interface Registry {
  /** Errors: a KeelsonError when the registry does not answer, or not with a registration. */
  read(): Promise<Registration>;
  /**
   * Compare-and-swap. Returns the record as the registry has it afterwards, whether ours was stored
   * or another was there first; undefined when no answer came, so nobody knows.
   */
  change(membership: Membership): Promise<Membership | undefined>;
}

/** A registry that does not answer for this long is asked again. */
const ANSWER_MS = 2_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

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

  async read(): Promise<Registration> {
    const { status, body } = await this.#ask('GET', this.#url);
    if (status !== 200) throw new KeelsonError('UNAVAILABLE', explain(this.#url, status, body));
    return decodeRegistration(parseJson(body, 'registration'));
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

  #ask(method: string, url: URL, body = ''): Promise<{ status: number; body: string }> {
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
    const options = { method, headers, agent: this.#agent, timeout: ANSWER_MS };
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
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
    asked.on('error', fail);
    asked.end(body);
    return promise;
  }
}

function explain(url: URL, status: number, body: string): string {
  return `ask the registry at ${url}: expected status 200, got ${status}: ${body.slice(0, 200)}`;
}
