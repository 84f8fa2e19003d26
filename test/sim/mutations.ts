import type { Patch } from './patch.ts';

/** A deliberate bug: what the simulator must find, or it would not find an accidental one either. */
export interface Mutation {
  readonly name: string;
  /** Which promise it breaks, and how. */
  readonly why: string;
  readonly patches: readonly Patch[];
  /** It is found within so many seeds, from this one on. */
  readonly seeds: number;
  readonly from?: number;
}

export const MUTATIONS: readonly Mutation[] = [];

export function findMutation(name: string): Mutation {
  const mutation = MUTATIONS.find((candidate) => candidate.name === name);
  if (mutation !== undefined) return mutation;
  const names = MUTATIONS.map((candidate) => candidate.name);
  throw new Error(`--mutation: expected one of ${names.join(', ')}, got ${name}`);
}
