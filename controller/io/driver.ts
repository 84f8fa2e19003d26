import type { Socket } from 'node:net';
import { unreachable } from '../../replica/common/assert.ts';
import type { Clock } from '../../replica/common/clock.ts';
import type { ErrorCode } from '../../replica/common/errors.ts';
import type { IdleMemory } from '../../replica/common/idle-memory.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Lz4 } from '../../replica/common/lz4.ts';
import type {
  Controller,
  ControllerEffects,
  ControllerEvent,
  CopyEffect,
  PortalEffect,
} from '../core/controller.ts';
import type { Access } from '../iscsi/access.ts';
import type { ConnectionId } from '../iscsi/step.ts';
import type { Registration } from '../protocol/registration.ts';
import { InitiatorConnection } from './initiator-connection.ts';
import { LimitedLog } from './limited-log.ts';
import type { Counters } from './metrics.ts';
import type { Registry } from './registry-client.ts';
import { ReplicaLinks } from './replica-links.ts';
import type { SlabPool } from './slab-pool.ts';

export interface Stop {
  readonly code: ErrorCode | undefined;
  readonly reason: string;
}

export interface DriverParts {
  readonly controller: Controller;
  readonly registration: Registration;
  readonly registry: Registry;
  readonly lz4: Lz4;
  readonly clock: Clock;
  readonly log: Log;
  readonly secret: Buffer;
  readonly counters: Counters;
  readonly idleMemory: IdleMemory;
  /** Where PDUs are received into. */
  readonly slabs: SlabPool;
  /** Called once; nothing is carried out afterwards. */
  readonly onStop: (stop: Stop) => void;
}

const TICK_MS = 1_000;

/**
 * Owns the sockets and timers of a controller. Feeds what happened to the pure core and carries
 * out what it wants: everything that one read of a socket brings is stepped first, then sent
 * together, so that a batch of commands costs a handful of system calls.
 */
export class ControllerDriver {
  readonly #parts: DriverParts;
  readonly #links: ReplicaLinks;
  /** For lines that a peer can cause at will. */
  readonly #peerLog: LimitedLog;
  readonly #connections = new Map<ConnectionId, InitiatorConnection>();
  #effects: ControllerEffects = { portal: [], volume: [] };
  readonly #ending = new Set<InitiatorConnection>();
  #lastConnection = 0;
  #isTurnDue = false;
  #isHeld = false;
  #isStopped = false;
  #ticker: NodeJS.Timeout | undefined;
  #alarm: NodeJS.Timeout | undefined;
  #alarmMs = Number.POSITIVE_INFINITY;

  constructor(parts: DriverParts) {
    this.#parts = parts;
    const { secret, log, lz4, counters } = parts;
    this.#peerLog = new LimitedLog(log, parts.clock);
    this.#links = new ReplicaLinks({
      ...{ secret, log, lz4 },
      handlers: {
        onUp: (copy, welcome) =>
          this.#volume({ kind: 'link-up', copy, welcome, nowMs: this.#nowMs() }),
        onDown: (copy, code) =>
          this.#volume({ kind: 'link-down', copy, code, nowMs: this.#nowMs() }),
        onFrames: (copy, frames) => {
          const nowMs = this.#nowMs();
          counters.frames.received += frames.length;
          for (const frame of frames) this.#volume({ kind: 'frame', copy, frame, nowMs });
        },
        onRoom: () => this.#hold(this.#links.isFull()),
      },
    });
  }

  start(identity: { instanceId: string; address: string }, random: number): void {
    const { registration } = this.#parts;
    this.#volume({ kind: 'start', registration, identity, random, nowMs: this.#nowMs() });
    this.#ticker = setInterval(() => {
      const tick = { kind: 'tick', nowMs: this.#nowMs() } as const;
      // Initiators that are not read cannot show that they live.
      if (!this.#isHeld) this.#portal(tick);
      this.#volume(tick);
    }, TICK_MS);
  }

  /** The volume's policy or its copies changed while it is in use. */
  update(registration: Registration): void {
    this.#volume({ kind: 'registration', registration, nowMs: this.#nowMs() });
  }

  /** Who may log in from now on. */
  changeAccess(access: Access): void {
    this.#portal({ kind: 'access-changed', access });
  }

  /** Asks every initiator to log out (RFC 7143 section 11.9). */
  askInitiatorsToLeave(): void {
    this.#portal({ kind: 'shutdown', nowMs: this.#nowMs() });
  }

  /** Ends cleanly: what is under way is finished and the copies are told; `onStop` follows. */
  shutDown(): void {
    this.#volume({ kind: 'shutdown', nowMs: this.#nowMs() });
  }

  accept(socket: Socket): void {
    this.#lastConnection += 1;
    const connection = new InitiatorConnection(this.#lastConnection, socket, this.#parts.slabs, {
      onPdus: ({ id }, pdus) => {
        const nowMs = this.#nowMs();
        this.#parts.counters.pdus.received += pdus.length;
        this.#parts.idleMemory.touch();
        for (const pdu of pdus) {
          if (pdu.isDamaged === true) this.#parts.counters.damagedPdus += 1;
          this.#portal({ kind: 'pdu', connection: id, pdu, nowMs });
        }
      },
      onCongestion: ({ id }, isCongested) =>
        this.#portal({ kind: 'congestion', connection: id, isCongested }),
      onClosed: (closed) => {
        this.#connections.delete(closed.id);
        this.#ending.delete(closed);
        this.#portal({ kind: 'closed', connection: closed.id, nowMs: this.#nowMs() });
      },
      onRejected: (rejected, reason) => this.#reject(rejected, reason),
    });
    this.#connections.set(connection.id, connection);
    if (this.#isHeld) connection.hold(true);
    const { id, peer } = connection;
    this.#portal({ kind: 'opened', connection: id, peer, nowMs: this.#nowMs() });
  }

  close(): void {
    this.#isStopped = true;
    clearInterval(this.#ticker);
    clearTimeout(this.#alarm);
    for (const connection of this.#connections.values()) connection.destroy();
    this.#links.close();
  }

  #reject(connection: InitiatorConnection, reason: string): void {
    this.#parts.counters.rejectedConnections += 1;
    this.#peerLog.write('warn', 'initiator connection cut', { peer: connection.peer, reason });
    connection.destroy();
  }

  #nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  #portal(event: Extract<ControllerEvent, { side: 'portal' }>['event']): void {
    this.#step({ side: 'portal', event });
  }

  #volume(event: Extract<ControllerEvent, { side: 'volume' }>['event']): void {
    this.#step({ side: 'volume', event });
  }

  #step(event: ControllerEvent): void {
    if (this.#isStopped) return;
    this.#parts.controller.step(event, this.#effects);
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    // After all that one read of a socket brought. Waiting for the other sockets of this pass of
    // the event loop would make larger batches, but costs more by its latency than they save.
    queueMicrotask(() => this.#endTurn());
  }

  /** Carries out and sends together what all events of one turn brought. */
  #endTurn(): void {
    this.#isTurnDue = false;
    if (this.#isStopped) return;
    const { portal, volume } = this.#effects;
    this.#effects = { portal: [], volume: [] };
    this.#carryOutPortal(portal);
    this.#carryOutVolume(volume);
    this.#flush();
  }

  #carryOutPortal(effects: readonly PortalEffect[]): void {
    for (const effect of effects) {
      const connection = this.#connections.get(effect.connection);
      if (connection === undefined) continue;
      switch (effect.kind) {
        case 'send':
          this.#parts.counters.pdus.sent += 1;
          connection.append(effect.header, effect.data);
          break;
        case 'logged-in':
          connection.enterFullFeature(effect.digests);
          break;
        case 'close':
          this.#tellEnd(connection, effect);
          this.#ending.add(connection);
          break;
        default:
          unreachable(effect, 'portal effect');
      }
    }
  }

  #tellEnd(
    { peer }: InitiatorConnection,
    { reason, refused }: Extract<PortalEffect, { kind: 'close' }>,
  ): void {
    if (refused === undefined) {
      this.#peerLog.write('info', 'initiator connection ends', { peer, reason });
      return;
    }
    const { why, initiator } = refused;
    this.#parts.counters.loginRefusals[why] += 1;
    this.#peerLog.write('warn', 'login refused', { peer, initiator, why });
  }

  #carryOutVolume(effects: readonly CopyEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          this.#parts.counters.frames.sent += 1;
          this.#links.append(effect);
          break;
        case 'connect':
          this.#links.connect(effect.copy, effect.address, effect.hello);
          break;
        case 'disconnect':
          this.#links.disconnect(effect.copy, effect.reason);
          break;
        case 'drop':
          this.#links.drop(effect.copy);
          break;
        case 'wake':
          this.#wake(effect.afterMs);
          break;
        case 'change-record':
          this.#changeRecord(effect);
          break;
        case 'notice':
          this.#parts.log.info(effect.message, effect.fields);
          break;
        case 'stop':
          return this.#stop({ code: effect.code, reason: effect.reason });
        case 'stopped':
          return this.#stop({ code: undefined, reason: 'every copy has everything' });
        default:
          unreachable(effect, 'volume effect');
      }
    }
  }

  /** One timer for whoever wants to be woken first. */
  #wake(afterMs: number): void {
    const dueMs = this.#nowMs() + afterMs;
    if (dueMs >= this.#alarmMs) return;
    clearTimeout(this.#alarm);
    this.#alarmMs = dueMs;
    this.#alarm = setTimeout(() => {
      this.#alarmMs = Number.POSITIVE_INFINITY;
      this.#volume({ kind: 'tick', nowMs: this.#nowMs() });
    }, afterMs);
  }

  #changeRecord(effect: Extract<CopyEffect, { kind: 'change-record' }>): void {
    const change = async (): Promise<void> => {
      const membership = await this.#parts.registry.change(effect.membership);
      const nowMs = this.#nowMs();
      if (membership === undefined) this.#volume({ kind: 'record-unknown', nowMs });
      else this.#volume({ kind: 'record', membership, nowMs });
    };
    if (effect.afterMs === 0) change();
    else setTimeout(change, effect.afterMs);
  }

  #stop(stop: Stop): void {
    this.#flush();
    this.close();
    this.#parts.onStop(stop);
  }

  #flush(): void {
    this.#links.flush();
    for (const connection of this.#connections.values()) connection.flush();
    for (const connection of this.#ending) connection.end();
    this.#ending.clear();
    this.#hold(this.#links.isFull());
  }

  /** Takes no new commands while a copy has too much unsent, until that has gone out. */
  #hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    for (const connection of this.#connections.values()) connection.hold(isHeld);
  }
}
