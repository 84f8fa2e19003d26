import { createHash } from 'node:crypto';
import { unreachable } from '../../../replica/common/assert.ts';
import type { Clock } from '../../../replica/common/clock.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import {
  decodeFullStatus,
  type Holder,
  holderOf,
  judge,
  type Registration,
  WRITE_EXCLUSIVE,
} from '../core/fence.ts';
import type { Disk } from './disk.ts';
import { type Outcome, run, saidBy } from './run.ts';

/** Exit code of sg3-utils for the status RESERVATION CONFLICT. */
const CONFLICT = 24;
/** And for UNIT ATTENTION: something happened to the unit, told once, and nothing was carried out. */
const UNIT_ATTENTION = 6;
/** A new controller has one to tell, a taken reservation another, a grown size a third. */
const MAX_ATTEMPTS = 5;
const FULL_STATUS_BYTES = 32 * 1024;
const TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 500;
/** For a controller that does not say who is logged in, and for hosts that take it from each other. */
const PATIENCE_MS = 30_000;

/**
 * The key that tells hosts apart. Made from the initiator's name, which must be a host's own anyway: a
 * host that lost everything but its name still knows what is its.
 */
export function keyOf(initiatorName: string): bigint {
  const key = createHash('sha256').update(initiatorName).digest().readBigUInt64BE(0);
  return key === 0n ? 1n : key; // 0 means "no key"
}

/** PERSISTENT RESERVE IN and OUT to one disk. `false`: a reservation conflict. */
export interface ReservationDoor {
  read(): Promise<readonly Registration[]>;
  /** REGISTER AND IGNORE EXISTING KEY; 0 takes the registration, and the reservation, back. */
  register(key: bigint): Promise<boolean>;
  reserve(key: bigint): Promise<boolean>;
  /** Takes the reservation from who has the key `from`, and aborts what it still has under way. */
  preempt(key: bigint, from: bigint): Promise<boolean>;
}

export interface Claim {
  readonly key: bigint;
  /** Sessions of other hosts; null: the controller does not say. */
  others(): Promise<number | null>;
  readonly clock: Clock;
  pause(ms: number): Promise<void>;
}

/**
 * Makes this session the only one that may write. Returns whether this host held the volume already.
 *
 * Errors: IN_USE while another host has it; UNAVAILABLE; IO_FAILED.
 */
export async function takeReservation(
  door: ReservationDoor,
  { key, others, clock, pause }: Claim,
): Promise<{ readonly wasOurs: boolean }> {
  const startMs = clock.nowMs();
  let holder = holderOf(await door.read(), key);
  let wasOurs = holder.kind === 'us';
  let quietSinceMs: number | undefined;
  while (clock.nowMs() - startMs < PATIENCE_MS) {
    const count = await others();
    const nowMs = clock.nowMs();
    quietSinceMs = count === 0 ? (quietSinceMs ?? nowMs) : undefined;
    const quietMs = nowMs - (quietSinceMs ?? nowMs);
    const verdict = judge({ holder, others: count, waitedMs: nowMs - startMs, quietMs });
    switch (verdict.kind) {
      case 'refuse':
        throw new KeelsonError('IN_USE', verdict.why);
      case 'claim':
        if (await claim(door, key)) return { wasOurs };
        break;
      case 'take':
        if (holder.kind === 'other' && (await take(door, key, holder.key))) {
          return { wasOurs: false };
        }
        break;
      case 'wait':
        break;
      default:
        unreachable(verdict, 'verdict');
    }
    await pause(LOOK_EVERY_MS);
    holder = holderOf(await door.read(), key);
    wasOurs &&= holder.kind === 'us';
  }
  throw new KeelsonError(
    'UNAVAILABLE',
    `within ${PATIENCE_MS / 1000} s it could not be found out whether another host uses it; ` +
      'look at it with keelson volume inspect, and try again',
  );
}

/** Also when a session of this host's own holds it, from before: its ISID was another one. */
async function claim(door: ReservationDoor, key: bigint): Promise<boolean> {
  await door.register(key);
  if (await door.reserve(key)) return true;
  const isOurs = holderOf(await door.read(), key).kind === 'us';
  return isOurs && (await door.preempt(key, key));
}

async function take(door: ReservationDoor, key: bigint, from: bigint): Promise<boolean> {
  await door.register(key);
  return await door.preempt(key, from);
}

/** Gives the volume back, if this host still has it. */
export async function releaseReservation(door: ReservationDoor): Promise<void> {
  await door.register(0n);
}

export async function whoHolds(door: ReservationDoor, key: bigint): Promise<Holder> {
  return holderOf(await door.read(), key);
}

/** The commands of sg3-utils. The keys on their command lines are no secrets. */
export function reservationDoor({ path }: Disk): ReservationDoor {
  const out = async (...words: readonly string[]): Promise<boolean> => {
    const outcome = await attempt('sg_persist', ['--no-inquiry', '--out', ...words, path]);
    if (outcome.code !== 0 && outcome.code !== CONFLICT) throw failed(words[0], path, outcome);
    return outcome.code === 0;
  };
  const type = `--prout-type=${WRITE_EXCLUSIVE}`;
  return {
    async read() {
      const length = FULL_STATUS_BYTES.toString(16).padStart(4, '0');
      const cdb = ['5e', '03', '00', '00', '00', '00', '00'];
      const words = ['-b', '-R', '-r', String(FULL_STATUS_BYTES), '-o', '-', path, ...cdb];
      const cut = [length.slice(0, 2), length.slice(2), '00'];
      const outcome = await attempt('sg_raw', [...words, ...cut]);
      if (outcome.code !== 0) throw failed('read-full-status', path, outcome);
      return decodeFullStatus(outcome.stdout);
    },
    register: (key) => out('--register-ignore', `--param-sark=${hex(key)}`, '--param-aptpl'),
    reserve: (key) => out('--reserve', `--param-rk=${hex(key)}`, type),
    preempt: (key, from) =>
      out('--preempt-abort', `--param-rk=${hex(key)}`, `--param-sark=${hex(from)}`, type),
  };
}

async function attempt(
  program: 'sg_persist' | 'sg_raw',
  args: readonly string[],
): Promise<Outcome> {
  for (let attemptCount = 1; ; attemptCount += 1) {
    const outcome = await run(program, args, TIMEOUT_MS);
    if (outcome.code !== UNIT_ATTENTION || attemptCount === MAX_ATTEMPTS) return outcome;
  }
}

function hex(key: bigint): string {
  return `0x${key.toString(16)}`;
}

function failed(action: string | undefined, path: string, outcome: Outcome): KeelsonError {
  return new KeelsonError(
    'IO_FAILED',
    `sg_persist ${action} ${path}: ${saidBy(outcome)} (exit code ${outcome.code})`,
  );
}
