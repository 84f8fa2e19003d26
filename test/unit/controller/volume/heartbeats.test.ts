import { Copies } from '../../../../controller/volume/copies.ts';
import { Heartbeats } from '../../../../controller/volume/heartbeats.ts';
import type { VolumeEffect } from '../../../../controller/volume/step.ts';
import { DEFAULT_TIMING } from '../../../../controller/volume/timing.ts';
import { makeRecord, makeWelcome } from '../support/copies.ts';

const { heartbeatMs, silenceMs } = DEFAULT_TIMING;

/** Beats of a controller with two copies, of which the second is heard no more after `lastHeardMs`. */
function setUp(lastHeardMs: number) {
  const copies = new Copies(makeRecord([{}, {}]));
  const [first, second] = copies.entries as [Entry, Entry];
  for (const entry of [first, second]) entry.welcome = makeWelcome({});
  second.lastHeardMs = lastHeardMs;
  const numbers = { nextSeq: () => 1, stableSeq: 0, generation: 1 };
  const heartbeats = new Heartbeats(DEFAULT_TIMING, numbers, () => false);
  heartbeats.start(0);
  let beatsSent = 0;
  const tick = (nowMs: number) => {
    const effects: VolumeEffect[] = [];
    first.lastHeardMs = nowMs;
    const isBeat = heartbeats.isDue(nowMs);
    const lost = heartbeats.whoIsLost(copies, nowMs, effects).map(({ entry }) => entry.index);
    if (isBeat) heartbeats.beat(0b11, nowMs, effects);
    const wakes = effects.flatMap((effect) => (effect.kind === 'wake' ? effect.afterMs : []));
    beatsSent += effects.filter(({ kind }) => kind === 'send').length;
    return { lost, wakes };
  };
  const sendToOne = (nowMs: number) => heartbeats.send(0b01, nowMs, []);
  return { second, tick, sendToOne, beatsSent: () => beatsSent };
}
type Entry = Copies['entries'][number];

test('a silent copy is lost when its time is over, not at the beat after that', () => {
  const { tick } = setUp(100);
  for (let beatMs = 0; beatMs <= silenceMs - heartbeatMs; beatMs += heartbeatMs) {
    expect(tick(beatMs)).toEqual({ lost: [], wakes: [] });
  }
  expect(tick(silenceMs)).toEqual({ lost: [], wakes: [100] });
  // Somebody else wanted to be woken earlier: the wake is asked for again.
  expect(tick(silenceMs + 40)).toEqual({ lost: [], wakes: [60] });
  expect(tick(silenceMs + 100)).toEqual({ lost: [1], wakes: [] });
});

test('a copy that is heard meanwhile is not lost, and nobody is woken for it again', () => {
  const { second, tick } = setUp(100);
  for (let beatMs = 0; beatMs <= silenceMs; beatMs += heartbeatMs) tick(beatMs);
  second.lastHeardMs = silenceMs + 50;
  expect(tick(silenceMs + 100)).toEqual({ lost: [], wakes: [] });
});

test('copies that answer each beat cost no wake', () => {
  const { second, tick } = setUp(0);
  for (let beatMs = 0; beatMs < 20 * heartbeatMs; beatMs += heartbeatMs) {
    expect(tick(beatMs)).toEqual({ lost: [], wakes: [] });
    second.lastHeardMs = beatMs + 3;
  }
});

test('one copy that comes and goes neither keeps the others from their beat nor hides their silence', () => {
  const { second, tick, sendToOne, beatsSent } = setUp(0);
  tick(0);
  for (let beatMs = heartbeatMs; beatMs <= 3 * heartbeatMs; beatMs += heartbeatMs) {
    sendToOne(beatMs - heartbeatMs / 2);
    expect(tick(beatMs)).toEqual({ lost: [], wakes: [] });
    second.lastHeardMs = beatMs + 3;
  }
  expect(beatsSent()).toBe(4);
  const lossMs = second.lastHeardMs + silenceMs;
  for (let beatMs = 4 * heartbeatMs; beatMs < lossMs; beatMs += heartbeatMs) {
    sendToOne(beatMs - heartbeatMs / 2);
    tick(beatMs);
  }
  expect(tick(lossMs).lost).toEqual([1]);
});
