import { createHash } from 'node:crypto';
import type { ContainerCreateOptions } from 'dockerode';
import { LABELS } from './container-labels.ts';

/** Digest of all that a container is made with: another one means that it is made anew. */
export function recipeOf(options: ContainerCreateOptions): string {
  return createHash('sha256').update(JSON.stringify(options)).digest('hex').slice(0, 16);
}

export function withRecipe(
  options: ContainerCreateOptions,
  recipe: string,
): ContainerCreateOptions {
  return { ...options, Labels: { ...options.Labels, [LABELS.recipe]: recipe } };
}
