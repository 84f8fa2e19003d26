import { assert } from '../../../replica/common/assert.ts';
import { fail, succeed, whyFailed } from '../outcome.ts';
import type { NexusId, ScsiPlan } from '../plan.ts';
import type { Course } from '../prelude.ts';
import { SENSE, type SenseCode } from '../sense.ts';
import type { Access } from './access.ts';
import {
  isForRegistrants,
  isHolder,
  isWriteExclusive,
  keyOf,
  type ReservationState,
} from './state.ts';
import { decodeState, encodeState } from './stored-state.ts';
import { Turn } from './turn.ts';
import { type Change, conflict, failLost, type Verdict } from './verdict.ts';

/** What the reservations need of the device server. */
export interface ReservationDoors {
  /** The name of the initiator port of a nexus; undefined for one that cannot register. */
  portOf(nexus: NexusId): string | undefined;
  /** The nexuses of these ports that exist now. */
  nexusesOf(ports: readonly string[]): NexusId[];
  raiseOn(nexuses: readonly NexusId[], code: SenseCode): void;
}

/** Lost when what was stored cannot be read (SPC-4 clause 5.13.5.3). */
export type Knowledge = ReservationState | 'lost';

/**
 * Who has reserved the logical unit: by PERSISTENT RESERVE OUT, or by RESERVE(6) or (10) (ADR 0018).
 * Changes are made one at a time, and a change that is to persist counts once the volume stored it.
 */
export class Reservations {
  readonly #doors: ReservationDoors;
  readonly #turn = new Turn();
  #known: Knowledge | 'unknown' = 'unknown';
  /** Holds a reservation of RESERVE(6) or (10), for as long as it is logged in. */
  #legacyHolder: NexusId | undefined;
  /** The volume's attribute may be other than empty. */
  #maybeStored = false;

  constructor(doors: ReservationDoors) {
    this.#doors = doors;
  }

  get isLoaded(): boolean {
    return this.#known !== 'unknown';
  }

  get known(): Knowledge {
    const known = this.#known;
    assert(known !== 'unknown', 'reservations are loaded before a command asks for them');
    return known;
  }

  get legacyHolder(): NexusId | undefined {
    return this.#legacyHolder;
  }

  /** Nobody is kept from anything: what nearly every command finds. */
  get isOpen(): boolean {
    const known = this.#known;
    return (
      this.#legacyHolder === undefined &&
      known !== 'unknown' &&
      known !== 'lost' &&
      known.reservation === undefined
    );
  }

  /** A legacy reservation ends with its nexus; registrations stay (SPC-4 clause 5.13.1). */
  nexusClosed(nexus: NexusId): void {
    if (this.#legacyHolder === nexus) this.#legacyHolder = undefined;
  }

  /** A reset ends a legacy reservation and nothing else (SPC-2 clause 5.5.1, SPC-4 clause 5.13.1). */
  reset(): void {
    this.#legacyHolder = undefined;
  }

  /** Why `nexus` may not run a command of this access now. */
  whyRefused(access: Access, nexus: NexusId): ScsiPlan | undefined {
    const known = this.#known;
    if (known === 'lost') {
      return access.whileLost ? undefined : failLost();
    }
    const isLegacyHolder = this.#legacyHolder === undefined || this.#legacyHolder === nexus;
    if (!isLegacyHolder && !access.underLegacy) return conflict();
    if (known === 'unknown' || known.reservation === undefined) return undefined;
    const { type } = known.reservation;
    const isAllowed = isWriteExclusive(type)
      ? access.underWriteExclusive
      : access.underExclusiveAccess;
    if (isAllowed) return undefined;
    const port = this.#doors.portOf(nexus);
    if (port !== undefined) {
      if (isHolder(known, port)) return undefined;
      if (isForRegistrants(type) && keyOf(known, port) !== undefined) return undefined;
    }
    return conflict();
  }

  /** Loads what was stored, then goes on with `next`; each command that needs it asks for itself. */
  load(next: () => Course): Course {
    return {
      kind: 'operate',
      operation: { kind: 'load' },
      next: (outcome) => {
        if (!outcome.ok) return whyFailed([outcome]) ?? next();
        // Another command may have been faster, and what it loaded may have changed since.
        if (this.#known !== 'unknown') return next();
        assert(outcome.data !== undefined, 'a load that succeeds has data');
        return this.#learn(outcome.data, next);
      },
    };
  }

  #learn(stored: Buffer, next: () => Course): Course {
    this.#maybeStored = stored.length > 0;
    const state = decodeState(stored);
    if (typeof state !== 'string') {
      this.#known = state;
      return next();
    }
    this.#known = 'lost';
    return {
      kind: 'notice',
      message: 'the stored SCSI reservations cannot be read: nobody may read or write',
      fields: {
        found: state,
        bytes: stored.length,
        consequence: 'commands fail with PERSISTENT RESERVATION INFORMATION LOST (7/44/01)',
        remedy:
          'make sure that one node alone uses the volume, then from there: sg_persist --out --replace-lost --param-sark=KEY --prout-type=TYPE DEVICE',
      },
      next,
    };
  }

  /**
   * Changes the reservations as `decide` says, once it is this command's turn. `decide` gets what is
   * known then, and the port of the nexus.
   *
   * @param bytes length of the parameter list, counted as moved when it succeeds
   */
  change(
    nexus: NexusId,
    bytes: number,
    decide: (known: Knowledge, port: string) => Verdict,
  ): Course {
    return {
      kind: 'wait',
      gate: this.#turn,
      next: () => {
        const port = this.#doors.portOf(nexus);
        const verdict = this.#verdictOf(port, decide);
        if (verdict.kind === 'change') return this.#persist(verdict, { nexus, bytes });
        this.#turn.free();
        return verdict;
      },
    };
  }

  #verdictOf(
    port: string | undefined,
    decide: (known: Knowledge, port: string) => Verdict,
  ): Verdict {
    // Whoever holds the legacy one: the two ways of reserving exclude each other (SPC-2 clause 5.5.1).
    if (this.#legacyHolder !== undefined) return conflict();
    if (port === undefined) return fail(SENSE.INSUFFICIENT_REGISTRATION_RESOURCES);
    return decide(this.known, port);
  }

  #persist(change: Change, by: { nexus: NexusId; bytes: number }): Course {
    const data = encodeState(change.state);
    if (data.length === 0 && !this.#maybeStored) return this.#adopt(change, by);
    this.#maybeStored = true;
    return {
      kind: 'operate',
      operation: { kind: 'store', data },
      next: (outcome) => {
        const failure = whyFailed([outcome]);
        if (failure !== undefined) {
          this.#turn.free();
          return failure;
        }
        this.#maybeStored = data.length > 0;
        return this.#adopt(change, by);
      },
    };
  }

  /** The next command may change something only after this one aborted what it aborts. */
  #adopt({ state, attentions, aborted }: Change, by: { nexus: NexusId; bytes: number }): Course {
    const wasLost = this.#known === 'lost';
    this.#known = state;
    for (const { ports, code } of attentions) {
      this.#doors.raiseOn(this.#doors.nexusesOf(ports), code);
    }
    const finish = (lost: readonly NexusId[]) => {
      const others = lost.filter((nexus) => nexus !== by.nexus);
      this.#doors.raiseOn(others, SENSE.COMMANDS_CLEARED_BY_ANOTHER_INITIATOR);
      this.#turn.free();
      return succeed(by.bytes);
    };
    if (wasLost) {
      const fields = { by: this.#doors.portOf(by.nexus), type: state.reservation?.type };
      const message = 'the SCSI reservations that could not be read were replaced';
      return { kind: 'notice', message, fields, next: () => finish([]) };
    }
    const nexuses = this.#doors.nexusesOf(aborted);
    return nexuses.length === 0 ? finish([]) : { kind: 'abort', nexuses, next: finish };
  }

  /** RESERVE(6) and (10), of the whole logical unit. */
  reserveLegacy(nexus: NexusId): Course {
    return {
      kind: 'wait',
      gate: this.#turn,
      next: () => {
        const answer = this.#answerLegacy(nexus);
        if (answer === undefined) this.#legacyHolder ??= nexus;
        const isHolder = this.#legacyHolder === nexus;
        this.#turn.free();
        return answer ?? (isHolder ? succeed(0) : conflict());
      },
    };
  }

  /** RELEASE(6) and (10): of somebody else's reservation it releases nothing, and succeeds. */
  releaseLegacy(nexus: NexusId): ScsiPlan {
    const answer = this.#answerLegacy(nexus);
    if (answer === undefined && this.#legacyHolder === nexus) this.#legacyHolder = undefined;
    return answer ?? succeed(0);
  }

  /**
   * What RESERVE and RELEASE get while somebody is registered: a conflict (SPC-2 clause 5.5.1), but
   * from whom the persistent reservation allows everything, GOOD without any effect (CRH, SPC-4
   * clause 5.13.3).
   */
  #answerLegacy(nexus: NexusId): ScsiPlan | undefined {
    const { known } = this;
    if (known === 'lost') return failLost();
    if (known.registrations.length === 0) return undefined;
    const port = this.#doors.portOf(nexus);
    const { reservation } = known;
    if (port === undefined || reservation === undefined) return conflict();
    const mayAll = isForRegistrants(reservation.type)
      ? keyOf(known, port) !== undefined
      : isHolder(known, port);
    return mayAll ? succeed(0) : conflict();
  }
}
