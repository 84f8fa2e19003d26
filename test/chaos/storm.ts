import { setTimeout as pause } from 'node:timers/promises';
import type { SeededRandom } from '../support/random.ts';
import { FAULT_KINDS, type Fault, type FaultKind, type Patient } from './faults.ts';
import type { Timeline } from './timeline.ts';
import type { Verdict } from './verdict.ts';

const MAX_AT_ONCE = 3;
const MIN_PAUSE_MS = 200;
const MAX_PAUSE_MS = 1_500;

export interface StormOptions {
  readonly patient: Patient;
  /** What comes next, from the end; filled up when it is empty, kept from storm to storm. */
  readonly deck: FaultKind[];
  readonly durationMs: number;
  readonly verdict: Verdict;
  readonly timeline: Timeline;
  /** Told of each fault, by the name of its kind. */
  readonly onFault: (name: string) => void;
}

/** Faults at random moments, up to three at a time. When it returns all of them are healed. */
export async function storm(options: StormOptions): Promise<void> {
  const { patient, deck, verdict, timeline } = options;
  const { random } = patient;
  const endMs = performance.now() + options.durationMs;
  const calm = new AbortController();
  const underWay = new Set<Promise<void>>();
  while (performance.now() < endMs && !verdict.signal.aborted) {
    await pauseUnless(verdict.signal, MIN_PAUSE_MS + random.below(MAX_PAUSE_MS - MIN_PAUSE_MS));
    if (underWay.size >= MAX_AT_ONCE) continue;
    if (deck.length === 0) deck.push(...shuffledDeck(random));
    const kind = deck.pop() as FaultKind;
    const fault = await kind.begin(patient);
    if (fault === undefined) continue;
    timeline.note(`FAULT ${kind.name}: ${fault.what}`);
    options.onFault(kind.name);
    const healed = heal(fault, calm.signal).then(() => {
      underWay.delete(healed);
      if (fault.durationMs > 0) timeline.note(`healed ${kind.name}: ${fault.what}`);
    });
    underWay.add(healed);
  }
  calm.abort();
  await Promise.all(underWay);
  timeline.note('all faults are healed');
}

/** Every kind as often as its weight says, in random order: a short storm has most of them too. */
function shuffledDeck(random: SeededRandom): FaultKind[] {
  const deck = FAULT_KINDS.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  for (let last = deck.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [deck[last], deck[other]] = [deck[other] as FaultKind, deck[last] as FaultKind];
  }
  return deck;
}

async function heal(fault: Fault, calm: AbortSignal): Promise<void> {
  await pauseUnless(calm, fault.durationMs);
  await fault.heal();
}

async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => undefined);
}
