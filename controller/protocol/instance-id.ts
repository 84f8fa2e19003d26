/**
 * What a controller calls itself. The platform chooses it, another one for each process; or it is
 * `PLACE-RANDOM8`, where PLACE is the same for all processes of which each begins after the one before
 * has ended: those of one pod. Whoever knows that no more come from a place names it instead.
 */
const IN_PLACE = /^(.+)-[0-9a-f]{8}$/;

export const MAX_INSTANCE_ID_CHARS = 64;
/** Of what comes after the place. */
export const SUFFIX_CHARS = 8;

/** @param random SUFFIX_CHARS hexadecimal digits, others each time */
export function instanceIdIn(place: string, random: string): string {
  return `${place}-${random}`;
}

/** undefined when its name tells no place; a UUID, say, tells none. */
export function placeOfInstance(instanceId: string): string | undefined {
  return IN_PLACE.exec(instanceId)?.[1];
}
