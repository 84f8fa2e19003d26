import { unreachable } from '../../replica/common/assert.ts';
import type { ScsiOutcome } from '../scsi/plan.ts';
import type { Access } from './access.ts';
import {
  addressOf,
  type Connection,
  findCrowd,
  findDead,
  findOldLogin,
  isLoggedIn,
  isQuiet,
  type LoggedIn,
  type Phase,
} from './admission.ts';
import { BHS } from './bhs.ts';
import type { Cryptography } from './chap.ts';
import { DataRoom } from './data-room.ts';
import { type FullFeatureParts, receiveFullFeature } from './full-feature.ts';
import {
  DISCOVERY_IDLE_MS,
  LOGIN_TIMEOUT_MS,
  PING_AFTER_MS,
  PING_LIMIT_MS,
  QUIET_MS,
  READ_BYTES,
  READ_BYTES_PER_ADDRESS,
  WRITE_BYTES,
  WRITE_BYTES_PER_ADDRESS,
} from './limits.ts';
import { Login, type LoginAnswer, type LoginResult, type TargetConfig, withdraw } from './login.ts';
import { sendOutcome } from './scsi-response.ts';
import { Session } from './session.ts';
import { sendLogoutRequest, sendPing } from './session-control.ts';
import type { ConnectionId, Pdu, TargetEffect, TargetEvent, TaskId } from './step.ts';
import { TaskManagement } from './task-management.ts';
import { TaskTable } from './tasks.ts';

/**
 * An iSCSI target with one portal (RFC 7143), error recovery level 0, one connection per session.
 * Pure: `step` takes what happened and appends what is to be done.
 *
 * A connection that was told to close is forgotten at once: what still arrives on it, its `closed`
 * event included, is ignored.
 */
export class IscsiTarget {
  readonly #config: TargetConfig;
  readonly #cryptography: Cryptography;
  #access: Access;
  readonly #connections = new Map<ConnectionId, Connection>();
  /** By target session identifying handle. */
  readonly #sessions = new Map<number, Session>();
  readonly #tasks = new TaskTable();
  readonly #writeRoom = new DataRoom({
    bytes: WRITE_BYTES,
    bytesPerAddress: WRITE_BYTES_PER_ADDRESS,
  });
  readonly #readRoom = new DataRoom({
    bytes: READ_BYTES,
    bytesPerAddress: READ_BYTES_PER_ADDRESS,
  });
  readonly #management: TaskManagement;
  readonly #parts: FullFeatureParts;
  #lastTsih = 0;
  #lastNexus = 0;
  #isShuttingDown = false;

  constructor(config: TargetConfig, security: { access: Access; cryptography: Cryptography }) {
    this.#config = config;
    this.#access = security.access;
    this.#cryptography = security.cryptography;
    this.#management = new TaskManagement(
      this.#tasks,
      () => this.#sessions.values(),
      (effects) => this.#dropAll('target cold reset', effects),
    );
    this.#parts = {
      config,
      tasks: this.#tasks,
      management: this.#management,
      endSession: (session, effects) => this.#endSession(session, effects),
    };
  }

  /** Normal and discovery sessions in the full feature phase. */
  sessionCount(): number {
    return this.#sessions.size;
  }

  step(event: TargetEvent, effects: TargetEffect[]): void {
    switch (event.kind) {
      case 'pdu':
        this.#receive(event.connection, event.pdu, event.nowMs, effects);
        break;
      case 'task-done':
        this.#taskDone(event.task, event.outcome, effects);
        break;
      case 'abort-tasks':
        this.#management.abortNexuses(event.task, event.nexuses, effects);
        break;
      case 'opened':
        this.#open(event, effects);
        break;
      case 'closed':
        this.#forget(event.connection, effects);
        break;
      case 'access-changed':
        this.#access = event.access;
        break;
      case 'congestion':
        this.#noteCongestion(event, effects);
        break;
      case 'tick':
        this.#tick(event.nowMs, effects);
        break;
      case 'shutdown':
        this.#shutdown(effects);
        break;
      default:
        unreachable(event, 'target event');
    }
  }

  #taskDone(id: TaskId, outcome: ScsiOutcome, effects: TargetEffect[]): void {
    const task = this.#tasks.takeDone(id, effects);
    if (task.state.kind === 'executing') sendOutcome(task, outcome, effects);
    this.#management.taskDone(task, effects);
  }

  #open(event: Extract<TargetEvent, { kind: 'opened' }>, effects: TargetEffect[]): void {
    const { connection: id, nowMs } = event;
    if (this.#isShuttingDown) {
      effects.push({ kind: 'close', connection: id, reason: 'the target is stopping' });
      return;
    }
    const address = addressOf(event.peer);
    const old = findOldLogin(this.#connections.values(), address);
    if (old !== undefined) this.#drop(old, 'did not log in while others wait', effects);
    const login = new Login({
      ...{ config: this.#config, access: this.#access, cryptography: this.#cryptography },
      hasSession: (tsih) => this.#sessions.has(tsih),
    });
    const phase: Phase = { kind: 'login', login };
    const times = { openedMs: nowMs, heardMs: nowMs, pingedMs: undefined };
    this.#connections.set(id, { id, address, ...times, phase });
  }

  #receive(id: ConnectionId, pdu: Pdu, nowMs: number, effects: TargetEffect[]): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    connection.heardMs = nowMs;
    connection.pingedMs = undefined;
    if (connection.phase.kind === 'login') {
      this.#receiveLogin(connection, connection.phase.login, pdu, effects);
      return;
    }
    const reason = receiveFullFeature(this.#parts, connection.phase.session, pdu, effects);
    if (reason !== undefined) this.#drop(connection, reason, effects);
  }

  #receiveLogin(connection: Connection, login: Login, pdu: Pdu, effects: TargetEffect[]): void {
    let answer = login.receive(pdu);
    if (answer.outcome === 'complete')
      answer = this.#complete(connection, login.result(), answer, effects);
    effects.push({
      kind: 'send',
      connection: connection.id,
      header: answer.header,
      data: answer.data,
    });
    const { phase } = connection;
    if (phase.kind === 'full-feature') {
      const { digests } = phase.session.parameters;
      effects.push({ kind: 'logged-in', connection: connection.id, digests });
    }
    const { refusal } = answer;
    if (refusal === undefined) return;
    this.#forget(connection.id, effects);
    effects.push({
      ...{ kind: 'close', connection: connection.id, reason: `login refused: ${refusal}` },
      refused: { why: refusal, initiator: login.initiatorName },
    });
  }

  /** Makes the session of a login that is about to be answered with success. */
  #complete(
    connection: Connection,
    result: LoginResult,
    answer: LoginAnswer,
    effects: TargetEffect[],
  ): LoginAnswer {
    if (!result.isDiscovery) this.#reinstate(result.initiatorName, result.isid, effects);
    if (!this.#makeRoom(connection, result, effects)) return withdraw(answer, 'out-of-resources');
    const tsih = this.#takeTsih();
    this.#lastNexus += 1;
    const { address } = connection;
    const rooms = { writes: this.#writeRoom.enter(address), reads: this.#readRoom.enter(address) };
    const ids = { connection: connection.id, nexus: this.#lastNexus, tsih, rooms };
    const session = new Session(ids, result);
    this.#sessions.set(tsih, session);
    connection.phase = { kind: 'full-feature', session };
    answer.header.writeUInt16BE(tsih, BHS.tsih);
    if (!session.isDiscovery) {
      effects.push({
        kind: 'nexus-opened',
        nexus: session.nexus,
        initiator: session.portName,
      });
    }
    return answer;
  }

  /**
   * Session reinstatement (section 6.3.5): an initiator port that logs in again has lost its old
   * session. All of that ends before the new login is answered (I15).
   */
  #reinstate(initiatorName: string, isid: string, effects: TargetEffect[]): void {
    for (const session of this.#sessions.values()) {
      if (session.isDiscovery || session.isid !== isid) continue;
      if (session.initiatorName !== initiatorName) continue;
      const connection = this.#connections.get(session.connection);
      if (connection !== undefined) this.#drop(connection, 'session reinstated', effects);
    }
  }

  /** Whether there is room for one more session, if need be in the place of one that is dead. */
  #makeRoom(newcomer: Connection, result: LoginResult, effects: TargetEffect[]): boolean {
    const { address, heardMs: nowMs } = newcomer;
    const { initiatorName } = result;
    for (;;) {
      const crowd = findCrowd(this.#connections.values(), { initiatorName, address });
      if (crowd === undefined) return true;
      const dead = findDead(crowd, nowMs);
      if (dead === undefined) {
        for (const connection of crowd) this.#pingIfQuiet(connection, QUIET_MS, nowMs, effects);
        return false;
      }
      this.#drop(dead, 'silent, and others wait for its place', effects);
    }
  }

  #pingIfQuiet(connection: LoggedIn, forMs: number, nowMs: number, effects: TargetEffect[]): void {
    if (!isQuiet(connection, forMs, nowMs)) return;
    connection.pingedMs = nowMs;
    sendPing(connection.phase.session, effects);
  }

  /** A handle that is not in use; 0 means "new session" in requests. */
  #takeTsih(): number {
    do {
      this.#lastTsih = (this.#lastTsih % 0xffff) + 1;
    } while (this.#sessions.has(this.#lastTsih));
    return this.#lastTsih;
  }

  #tick(nowMs: number, effects: TargetEffect[]): void {
    for (const connection of this.#connections.values()) {
      const reason = whyOverdue(connection, nowMs);
      if (reason !== undefined) {
        this.#drop(connection, reason, effects);
        continue;
      }
      if (isLoggedIn(connection)) this.#pingIfQuiet(connection, PING_AFTER_MS, nowMs, effects);
    }
  }

  #noteCongestion(
    { connection, isCongested }: Extract<TargetEvent, { kind: 'congestion' }>,
    effects: TargetEffect[],
  ): void {
    const phase = this.#connections.get(connection)?.phase;
    if (phase?.kind !== 'full-feature') return;
    phase.session.isCongested = isCongested;
    if (!isCongested) this.#tasks.readWaiting(this.#readRoom, effects);
  }

  #shutdown(effects: TargetEffect[]): void {
    this.#isShuttingDown = true;
    for (const connection of this.#connections.values()) {
      const { phase } = connection;
      if (phase.kind === 'full-feature' && !phase.session.isDiscovery) {
        sendLogoutRequest(phase.session, effects);
      } else {
        this.#drop(connection, 'the target is stopping', effects);
      }
    }
  }

  #dropAll(reason: string, effects: TargetEffect[]): void {
    for (const connection of this.#connections.values()) this.#drop(connection, reason, effects);
  }

  #drop(connection: Connection, reason: string, effects: TargetEffect[]): void {
    this.#forget(connection.id, effects);
    effects.push({ kind: 'close', connection: connection.id, reason });
  }

  #forget(id: ConnectionId, effects: TargetEffect[]): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    this.#connections.delete(id);
    if (connection.phase.kind === 'full-feature') {
      this.#endSession(connection.phase.session, effects);
    }
  }

  #endSession(session: Session, effects: TargetEffect[]): void {
    if (!session.isOpen) return;
    session.isOpen = false;
    this.#sessions.delete(session.tsih);
    this.#writeRoom.leave(session.rooms.writes);
    this.#readRoom.leave(session.rooms.reads);
    for (const task of session.tasks.values()) this.#tasks.abort(task, effects);
    if (!session.isDiscovery) effects.push({ kind: 'nexus-closed', nexus: session.nexus });
  }
}

function whyOverdue(connection: Connection, nowMs: number): string | undefined {
  const { phase, openedMs, heardMs, pingedMs } = connection;
  if (phase.kind === 'login') {
    return nowMs - openedMs >= LOGIN_TIMEOUT_MS ? 'login took too long' : undefined;
  }
  // Not by `heardMs`: when this process stood still, nobody could have been heard.
  const isOverdue = phase.session.isDiscovery
    ? nowMs - heardMs >= DISCOVERY_IDLE_MS
    : pingedMs !== undefined && nowMs - pingedMs >= PING_LIMIT_MS;
  return isOverdue ? 'initiator is silent' : undefined;
}
