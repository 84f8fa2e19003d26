import { JIVA_SCENARIOS } from './jiva.ts';
import type { Scenario } from './scenario.ts';

export const SCENARIOS: readonly Scenario[] = [...JIVA_SCENARIOS];
