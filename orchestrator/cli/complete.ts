import { KeelsonError } from '../../replica/common/errors.ts';
import type { ApiClient } from '../client/api-client.ts';
import { addressOf, DEFAULT_NAMESPACE, type VolumeName } from '../model/volume.ts';
import { type Environment, readAccess } from './arguments.ts';
import type { Command } from './command.ts';
import { type Candidate, complete, type Offer, type Unfinished } from './completion.ts';
import { FILES } from './completion-scripts.ts';
import { connect } from './connect.ts';
import { UsageError } from './errors.ts';

/** Somebody has pressed Tab and waits. */
const TIMEOUT_MS = 1_000;

/** The lines that the completion scripts read. Whatever is in the way, there are just none. */
export async function completeLines(
  words: readonly string[],
  commands: readonly Command[],
  environment: Environment,
): Promise<string> {
  const unfinished = complete(words, commands);
  const { current, offer } = unfinished;
  if (offer.kind === 'files') return `${FILES}\n`;
  const candidates =
    offer.kind === 'words' ? offer.candidates : await findNames(offer, unfinished, environment);
  return candidates
    .filter(({ text }) => text.startsWith(current))
    .map(({ text, about }) => `${text}\t${about}\n`)
    .join('');
}

async function findNames(
  { of, prefix }: Extract<Offer, { kind: 'names' }>,
  unfinished: Unfinished,
  environment: Environment,
): Promise<Candidate[]> {
  try {
    const client = await connect(readAccess(unfinished.values, environment), TIMEOUT_MS);
    const names = of === 'node' ? await nodeNames(client) : await addresses(client, of, unfinished);
    return names.map((name) => ({ text: `${prefix}${name}`, about: of }));
  } catch (error) {
    if (error instanceof KeelsonError || error instanceof UsageError) return [];
    throw error;
  }
}

async function nodeNames(client: ApiClient): Promise<string[]> {
  return (await client.nodes()).map(({ name }) => name);
}

/** With a namespace, or in the default one, names are enough; behind a slash they are addresses. */
async function addresses(
  client: ApiClient,
  of: 'volume' | 'rule',
  { current, values }: Unfinished,
): Promise<string[]> {
  const { namespace } = values;
  const asked = typeof namespace === 'string' ? namespace : undefined;
  const found: readonly VolumeName[] =
    of === 'volume' ? await client.volumes({ namespace: asked }) : await client.rules(asked);
  const isShort = (one: VolumeName) =>
    !current.includes('/') && one.namespace === (asked ?? DEFAULT_NAMESPACE);
  return found.map((one) => (isShort(one) ? one.name : addressOf(one)));
}
