import { Copies } from '../../../../controller/volume/copies.ts';
import { Leases } from '../../../../controller/volume/leases.ts';
import { DEFAULT_TIMING } from '../../../../controller/volume/timing.ts';
import { makeRecord, makeWelcome } from '../support/copies.ts';

const TIMING = { ...DEFAULT_TIMING, leaseMs: 1_000 };

describe('leases on reads (I7)', () => {
  test('are counted on for four fifths, from when they were asked for', () => {
    const copies = new Copies(makeRecord([{}]));
    const leases = new Leases(TIMING);
    leases.heartbeatSent(7, 100);
    leases.heartbeatAnswered(copies.entries[0]!, 7, copies);
    expect(copies.leaseUntilMs).toBe(900);
  });

  test('last as long as the shortest of those copies that acknowledgements wait for', () => {
    const copies = new Copies(makeRecord([{}, {}, { state: 'syncing' }]));
    const leases = new Leases(TIMING);
    leases.heartbeatSent(1, 0);
    leases.heartbeatSent(2, 500);
    leases.heartbeatAnswered(copies.entries[0]!, 2, copies);
    expect(copies.leaseUntilMs).toBe(0);
    leases.heartbeatAnswered(copies.entries[1]!, 1, copies);
    expect(copies.leaseUntilMs).toBe(800);
    copies.entries[2]!.joining = 'flushing';
    copies.recount();
    expect(copies.leaseUntilMs).toBe(0);
  });

  test('are not granted by an answer to something that was never asked, or too long ago', () => {
    const copies = new Copies(makeRecord([{}]));
    const leases = new Leases(TIMING);
    leases.heartbeatSent(1, 0);
    leases.heartbeatSent(2, 5_000);
    for (const seq of [1, 3]) leases.heartbeatAnswered(copies.entries[0]!, seq, copies);
    expect(copies.leaseUntilMs).toBe(0);
  });
});

describe('leases of other controllers (I7)', () => {
  const learn = (leases: Leases, nowMs: number, ...held: [string, number][]) => {
    const entry = new Copies(makeRecord([{}])).entries[0]!;
    entry.welcome = makeWelcome({
      leases: held.map(([instanceId, remainingMs]) => ({ instanceId, remainingMs })),
    });
    leases.learn(entry, nowMs);
  };

  test('are waited out with a margin, the longest of all', () => {
    const leases = new Leases(TIMING);
    expect(leases.foreignUntilMs).toBe(0);
    learn(leases, 100, ['old', 500], ['older', 100]);
    learn(leases, 200, ['old', 300]);
    expect(leases.foreignUntilMs).toBe(700);
  });

  test('are not waited for when their process has ended', () => {
    const leases = new Leases(TIMING);
    learn(leases, 0, ['gone', 500], ['zombie', 100]);
    leases.forget(['gone']);
    expect(leases.foreignUntilMs).toBe(120);
    leases.forget(['gone', 'zombie']);
    expect(leases.foreignUntilMs).toBe(0);
  });

  test('are not waited for in the place of this one: they ended before it began', () => {
    const leases = new Leases(TIMING);
    leases.startAs('pod-a-00000002');
    learn(leases, 0, ['pod-a-00000001', 500], ['pod-b-00000001', 100], ['pod-a', 50]);
    expect(leases.foreignUntilMs).toBe(120);
  });

  test('are not waited for when all that began in their place has ended', () => {
    const leases = new Leases(TIMING);
    leases.startAs('pod-c-00000001');
    learn(leases, 0, ['pod-a-00000001', 500], ['pod-a-00000002', 400], ['pod-b-00000001', 100]);
    leases.forget(['pod-a']);
    expect(leases.foreignUntilMs).toBe(120);
  });

  test('are waited for where no name tells a place', () => {
    const leases = new Leases(TIMING);
    const [mine, other] = ['6d1c0a2e-0000-4000-8000-0123456789ab', 'c2'];
    leases.startAs(mine);
    learn(leases, 0, ['6d1c0a2e-0000-4000-8000-ba9876543210', 100], [other, 200]);
    leases.forget(['6d1c0a2e-0000-4000-8000', 'c']);
    expect(leases.foreignUntilMs).toBe(240);
  });
});
