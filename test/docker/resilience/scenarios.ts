import { CONTAINER_SCENARIOS } from './containers.ts';
import { COPY_SCENARIOS } from './copies.ts';
import { ENGINE_SCENARIOS } from './engine.ts';
import { JIVA_SCENARIOS } from './jiva.ts';
import type { Scenario } from './scenario.ts';

export const SCENARIOS: readonly Scenario[] = [
  ...JIVA_SCENARIOS,
  ...CONTAINER_SCENARIOS,
  ...COPY_SCENARIOS,
  ...ENGINE_SCENARIOS,
];
