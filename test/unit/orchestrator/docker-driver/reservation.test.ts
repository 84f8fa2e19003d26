import { WRITE_EXCLUSIVE } from '../../../../orchestrator/docker-driver/core/fence.ts';
import {
  keyOf,
  type ReservationDoor,
  releaseReservation,
  takeReservation,
} from '../../../../orchestrator/docker-driver/host/reservation.ts';

const A = keyOf('iqn.1993-08.org.debian:01:a');
const B = keyOf('iqn.1993-08.org.debian:01:b');

/** The reservations of one unit, as SPC-4 clause 5.13 has them for WRITE EXCLUSIVE. */
class Unit {
  readonly keys = new Map<string, bigint>();
  holder: string | undefined;

  door(nexus: string): ReservationDoor {
    return {
      read: async () =>
        [...this.keys].map(([name, key]) => ({
          ...{ key, initiator: name },
          isHolder: name === this.holder,
        })),
      register: async (key) => {
        if (key === 0n) {
          this.keys.delete(nexus);
          if (this.holder === nexus) this.holder = undefined;
        } else this.keys.set(nexus, key);
        return true;
      },
      reserve: async (key) => {
        if (this.keys.get(nexus) !== key) return false;
        if (this.holder !== undefined && this.holder !== nexus) return false;
        this.holder = nexus;
        return true;
      },
      preempt: async (key, from) => {
        if (this.keys.get(nexus) !== key) return false;
        if (![...this.keys.values()].includes(from)) return false;
        for (const [name, held] of this.keys) {
          if (held === from && name !== nexus) this.keys.delete(name);
        }
        this.holder = nexus;
        return true;
      },
    };
  }
}

class Time {
  nowMs = 0;
  readonly clock = { nowMs: () => this.nowMs };
  readonly pause = async (ms: number) => {
    this.nowMs += ms;
  };
}

/** @param others sessions of others at a time */
async function take(
  unit: Unit,
  nexus: string,
  key: bigint,
  others: (nowMs: number) => number | null,
) {
  const time = new Time();
  const { clock, pause } = time;
  const claim = { key, clock, pause, others: async () => others(time.nowMs) };
  const { wasOurs } = await takeReservation(unit.door(nexus), claim);
  return { wasOurs, tookMs: time.nowMs };
}

test('a volume that nobody has is taken at once', async () => {
  const unit = new Unit();
  expect(await take(unit, 'a1', A, () => 0)).toEqual({ wasOurs: false, tookMs: 0 });
  expect(unit.holder).toBe('a1');
  expect(await take(unit, 'a1', A, () => 0)).toEqual({ wasOurs: true, tookMs: 0 });
});

test('a host that comes back over another session has its volume again at once', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  expect(await take(unit, 'a2', A, () => 1)).toEqual({ wasOurs: true, tookMs: 0 });
  expect(unit.holder).toBe('a2');
  expect([...unit.keys.keys()]).toEqual(['a2']);
});

test('a host that is logged in keeps its volume', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  await expect(take(unit, 'b1', B, () => 1)).rejects.toThrow(/mounted on another host \(a1\)/);
  expect(unit.holder).toBe('a1');
  expect([...unit.keys.keys()]).toEqual(['a1']);
});

test('a host that is gone loses its volume, but not before it had time to come back', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  const { wasOurs, tookMs } = await take(unit, 'b1', B, () => 0);
  expect({ wasOurs, holder: unit.holder }).toEqual({ wasOurs: false, holder: 'b1' });
  expect(tookMs).toBeGreaterThanOrEqual(10_000);
  expect([...unit.keys.keys()]).toEqual(['b1']);
});

test('a host that comes back while it is waited for keeps its volume', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  await expect(take(unit, 'b1', B, (nowMs) => (nowMs > 4000 ? 1 : 0))).rejects.toThrow(
    /another host/,
  );
  expect(unit.holder).toBe('a1');
});

test('the wait begins anew when the controller did not say who is there', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  const { tookMs } = await take(unit, 'b1', B, (nowMs) => (nowMs === 8000 ? null : 0));
  expect(tookMs).toBeGreaterThanOrEqual(18_000);
});

test('a controller that never says who is there takes nothing from anybody', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  await expect(take(unit, 'b1', B, () => null)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(unit.holder).toBe('a1');
});

test('a container that moves here is let in when its old host has left', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  const { tookMs } = await take(unit, 'b1', B, (nowMs) => {
    if (nowMs >= 2000) void releaseReservation(unit.door('a1'));
    return nowMs >= 2000 ? 0 : 1;
  });
  expect(unit.holder).toBe('b1');
  expect(tookMs).toBeLessThan(5000);
});

test('what another host took meanwhile was not ours all the time', async () => {
  const unit = new Unit();
  await take(unit, 'a1', A, () => 0);
  const door = unit.door('a2');
  let preempts = 0;
  const slow: ReservationDoor = {
    ...door,
    // Between our look and our command another host has the volume, and gives it back.
    preempt: async (key, from) => {
      preempts += 1;
      if (preempts > 1) return door.preempt(key, from);
      await unit.door('b1').register(B);
      await unit.door('b1').preempt(B, A);
      return false;
    },
  };
  const time = new Time();
  const claim = { key: A, clock: time.clock, pause: time.pause, others: async () => 0 };
  const { wasOurs } = await takeReservation(slow, claim);
  expect({ wasOurs, holder: unit.holder }).toEqual({ wasOurs: false, holder: 'a2' });
});

test('keys differ by name and are no zero; the type is WRITE EXCLUSIVE', () => {
  expect(A).not.toBe(B);
  expect(keyOf('iqn.1993-08.org.debian:01:a')).toBe(A);
  expect(A).toBeGreaterThan(0n);
  expect(WRITE_EXCLUSIVE).toBe(1);
});
