import { CHANGE_SCENARIOS } from './changes.ts';
import { COPY_SCENARIOS } from './copies.ts';
import { JIVA_SCENARIOS } from './jiva.ts';
import { NODE_SCENARIOS } from './nodes.ts';
import type { Scenario } from './scenario.ts';

export const SCENARIOS: readonly Scenario[] = [
  ...JIVA_SCENARIOS,
  ...NODE_SCENARIOS,
  ...COPY_SCENARIOS,
  ...CHANGE_SCENARIOS,
];
