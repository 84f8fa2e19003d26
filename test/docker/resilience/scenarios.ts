import { CONTAINER_SCENARIOS } from './containers.ts';
import { COPY_SCENARIOS } from './copies.ts';
import { ENGINE_SCENARIOS } from './engine.ts';
import { JIVA_SCENARIOS } from './jiva.ts';
import { RETURN_SCENARIOS } from './returns.ts';
import type { Scenario } from './scenario.ts';
import { TWENTY_SCENARIOS } from './twenty.ts';

export const SCENARIOS: readonly Scenario[] = [
  ...JIVA_SCENARIOS,
  ...CONTAINER_SCENARIOS,
  ...COPY_SCENARIOS,
  ...ENGINE_SCENARIOS,
  ...RETURN_SCENARIOS,
  ...TWENTY_SCENARIOS,
];
