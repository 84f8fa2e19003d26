import type { Metadata } from '../../replica/store/metadata-record.ts';
import type { SeededRandom } from '../support/random.ts';
import { mutate } from './mutate.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What JSON can say that a reader may not expect where something else should be. */
const STRANGE: readonly Json[] = [
  ...[null, true, false, 0, -0, -1, 1.5, 1e308, -1e308, 2 ** 53, 2 ** 53 - 1, 2 ** 32],
  ...['', '0', '\u0000', '\ud800', 'x'.repeat(1025), '__proto__', '../..', 'Infinity'],
  ...[[], {}, [[]], [{}], [null], { length: 3 }, { toString: 1 }],
];
const STRANGE_KEYS = ['__proto__', 'constructor', 'hasOwnProperty', '', 'x'.repeat(300)] as const;

/** The text of a JSON value with something in it replaced, added, removed, or simply damaged. */
export function mutateJson(text: Buffer, random: SeededRandom): Buffer {
  if (random.chance(0.2)) return mutate(text, random);
  let value = JSON.parse(text.toString('utf8')) as Json;
  for (let left = 1 + random.below(3); left > 0; left -= 1) value = alter(value, random);
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/** Goes down a random way and alters what is there. */
function alter(value: Json, random: SeededRandom): Json {
  if (Array.isArray(value)) return alterList(value, random);
  if (typeof value === 'object' && value !== null) return alterObject(value, random);
  if (typeof value === 'number' && random.chance(0.5)) return value + random.pick([1, -1, 0.5]);
  return random.pick(STRANGE);
}

function alterList(list: Json[], random: SeededRandom): Json {
  const at = random.below(list.length + 1);
  const one = list[at];
  if (one === undefined || random.chance(0.3)) {
    const more = one ?? random.pick(STRANGE);
    // Many of a list of many would be too much to write down.
    const count = JSON.stringify(more).length > 100 ? 1 : random.pick([1, 2, 65, 1025]);
    return [...list, ...Array.from({ length: count }, () => more)];
  }
  if (random.chance(0.2)) return list.filter((_, index) => index !== at);
  return list.map((entry, index) => (index === at ? alter(entry, random) : entry));
}

function alterObject(object: { [key: string]: Json }, random: SeededRandom): Json {
  const entries = Object.entries(object);
  if (random.chance(0.1)) return random.pick(STRANGE);
  if (entries.length === 0 || random.chance(0.1)) {
    entries.push([random.pick(STRANGE_KEYS), random.pick(STRANGE)]);
    return Object.fromEntries(entries);
  }
  const [key, value] = random.pick(entries);
  if (random.chance(0.15)) return Object.fromEntries(entries.filter(([other]) => other !== key));
  return { ...object, [key]: alter(value, random) };
}

export function anyMetadata(random: SeededRandom): Metadata {
  return {
    ...{ volumeId: 'v1', replicaId: 'r1', dataId: 'd1', sizeBytes: 4096 * (1 + random.below(9)) },
    epoch: random.below(100),
    instanceId: random.chance(0.5) ? null : 'i1',
    session: random.below(1000),
    bootId: random.chance(0.5) ? null : 'boot',
    mayLackWrites: random.chance(0.5),
    leaseHolders: Array.from({ length: random.below(64) }, (_, index) => `holder-${index}`),
    isPristine: random.chance(0.5),
    attribute: random.bytes(random.below(100)).toString('base64'),
    journalKept: random.below(100),
  };
}
