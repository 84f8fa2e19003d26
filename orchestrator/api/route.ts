import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, KeelsonError } from '../../replica/common/errors.ts';
import type { Installation } from '../installation/installation.ts';
import { addressOf } from '../model/volume.ts';
import type { Access } from './access.ts';
import type { Schema } from './schema.ts';
import type { ComponentName } from './schemas/components.ts';

/** One call of the API: how it is found, what it means, and what answers it. */
export type Route = GuardedRoute | OpenRoute;

/** For whoever may. */
export interface GuardedRoute extends RouteBase {
  /** By default `token`. */
  readonly access?: Exclude<Access, 'open'>;
  readonly handle: (exchange: Exchange) => Promise<void> | void;
}

/** For everybody, from the first moment on. */
export interface OpenRoute extends RouteBase {
  readonly access: 'open';
  readonly handle: (exchange: OpenExchange) => void;
}

interface RouteBase {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `{…}` stands for one part of the path. */
  readonly path: string;
  /** A name for programs that are made from the document. */
  readonly id: string;
  /** One line. */
  readonly summary: string;
  readonly query?: readonly QueryParameter[];
  readonly body?: Body;
  /** What it answers, by HTTP status; a refusal only if it is more than an error. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** What it refuses with, besides what every call does (openapi.ts). */
  readonly refusals?: readonly ErrorCode[];
}

export interface QueryParameter {
  readonly name: string;
  readonly schema: Schema;
  /** What its pattern says, in words. */
  readonly expected?: string;
}

export interface Body {
  readonly component: ComponentName;
  /** That the server accepts, as a test shows. */
  readonly example: unknown;
}

export interface Answer {
  readonly description: string;
  readonly schema: Schema;
  /** It may be a stream of server-sent events instead. */
  readonly isStream?: boolean;
}

export interface Exchange {
  readonly installation: Installation;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: Query;
  /** What the `{…}` of the route's path stand for. */
  readonly names: readonly string[];
}

export interface OpenExchange {
  /** There is something to ask for here. */
  readonly isServed: boolean;
  readonly response: ServerResponse;
}

/** Checked against the schemas of the route. */
export class Query {
  readonly #values: URLSearchParams;

  /** Errors: INVALID_ARGUMENT, naming the parameter. */
  constructor(values: URLSearchParams, parameters: readonly QueryParameter[] = []) {
    for (const name of new Set(values.keys())) {
      const parameter = parameters.find((candidate) => candidate.name === name);
      if (parameter === undefined) throw invalid(name, 'not known');
      if (values.getAll(name).length > 1) throw invalid(name, 'expected once');
      checkValue(parameter, values.get(name) ?? '');
    }
    this.#values = values;
  }

  text(name: string): string | undefined {
    return this.#values.get(name) ?? undefined;
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.text(name);
    return value === undefined ? otherwise : value === 'true';
  }

  number(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }
}

/** The volume or the rule that a path with namespace and name is about. */
export function addressIn({ names }: Exchange): string {
  const [namespace = '', name = ''] = names;
  return addressOf({ namespace, name });
}

function checkValue({ name, schema, expected }: QueryParameter, value: string): void {
  const shown = JSON.stringify(value.slice(0, 80));
  switch (schema.type) {
    case 'boolean':
      if (value !== 'true' && value !== 'false') {
        throw invalid(name, `expected true or false, got ${shown}`);
      }
      return;
    case 'integer':
      if (!/^\d{1,15}$/.test(value)) throw invalid(name, `expected a whole number, got ${shown}`);
      return;
    default:
      if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) {
        throw invalid(name, `expected ${expected ?? schema.pattern}, got ${shown}`);
      }
  }
}

function invalid(name: string, reason: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `query ${name.slice(0, 80)}: ${reason}`);
}
