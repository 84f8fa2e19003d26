import { unreachable } from '../../replica/common/assert.ts';
import type { ScsiOutcome } from '../scsi/plan.ts';
import { BHS } from './bhs.ts';
import { LOGIN_STATUS } from './constants.ts';
import { type FullFeatureParts, receiveFullFeature } from './full-feature.ts';
import {
  DISCOVERY_IDLE_MS,
  LOGIN_TIMEOUT_MS,
  MAX_CONNECTIONS,
  MAX_SESSIONS,
  PING_AFTER_MS,
  SILENCE_LIMIT_MS,
} from './limits.ts';
import { Login, type LoginAnswer, type LoginResult, type TargetConfig, withdraw } from './login.ts';
import { sendOutcome } from './scsi-response.ts';
import { Session } from './session.ts';
import { sendLogoutRequest, sendPing } from './session-control.ts';
import type { ConnectionId, Pdu, TargetEffect, TargetEvent, TaskId } from './step.ts';
import { TaskManagement } from './task-management.ts';
import { TaskTable } from './tasks.ts';

type Phase =
  | { readonly kind: 'login'; readonly login: Login }
  | { readonly kind: 'full-feature'; readonly session: Session };

interface Connection {
  readonly id: ConnectionId;
  readonly openedMs: number;
  heardMs: number;
  isPinged: boolean;
  phase: Phase;
}

/**
 * An iSCSI target with one portal (RFC 7143), error recovery level 0, one connection per session.
 * Pure: `step` takes what happened and appends what is to be done.
 *
 * A connection that was told to close is forgotten at once: what still arrives on it, its `closed`
 * event included, is ignored.
 */
export class IscsiTarget {
  readonly #config: TargetConfig;
  readonly #connections = new Map<ConnectionId, Connection>();
  /** By target session identifying handle. */
  readonly #sessions = new Map<number, Session>();
  readonly #tasks = new TaskTable();
  readonly #management: TaskManagement;
  readonly #parts: FullFeatureParts;
  #lastTsih = 0;
  #lastNexus = 0;
  #isShuttingDown = false;

  constructor(config: TargetConfig) {
    this.#config = config;
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
      case 'opened':
        this.#open(event.connection, event.nowMs, effects);
        break;
      case 'closed':
        this.#forget(event.connection, effects);
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

  #open(id: ConnectionId, nowMs: number, effects: TargetEffect[]): void {
    if (this.#connections.size >= MAX_CONNECTIONS) this.#makeRoom(effects);
    if (this.#isShuttingDown || this.#connections.size >= MAX_CONNECTIONS) {
      const reason = this.#isShuttingDown ? 'the target is stopping' : 'too many connections';
      effects.push({ kind: 'close', connection: id, reason });
      return;
    }
    const login = new Login(this.#config, (tsih) => this.#sessions.has(tsih));
    const phase: Phase = { kind: 'login', login };
    this.#connections.set(id, { id, openedMs: nowMs, heardMs: nowMs, isPinged: false, phase });
  }

  /** Connections that never log in must not keep initiators out: the oldest of them goes. */
  #makeRoom(effects: TargetEffect[]): void {
    for (const connection of this.#connections.values()) {
      if (connection.phase.kind !== 'login') continue;
      this.#drop(connection, 'did not log in while others wait for its place', effects);
      return;
    }
  }

  #receive(id: ConnectionId, pdu: Pdu, nowMs: number, effects: TargetEffect[]): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    connection.heardMs = nowMs;
    connection.isPinged = false;
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
    if (answer.outcome === 'refused') {
      const status = answer.header.readUInt16BE(BHS.loginStatus).toString(16).padStart(4, '0');
      this.#drop(connection, `login refused with status ${status}`, effects);
    }
  }

  /** Makes the session of a login that is about to be answered with success. */
  #complete(
    connection: Connection,
    result: LoginResult,
    answer: LoginAnswer,
    effects: TargetEffect[],
  ): LoginAnswer {
    if (!result.isDiscovery) this.#reinstate(result.initiatorName, result.isid, effects);
    if (this.#sessions.size >= MAX_SESSIONS) {
      return withdraw(answer, LOGIN_STATUS.OUT_OF_RESOURCES);
    }
    const tsih = this.#takeTsih();
    this.#lastNexus += 1;
    const ids = { connection: connection.id, nexus: this.#lastNexus, tsih };
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
      const { phase } = connection;
      if (phase.kind === 'login' || phase.session.isDiscovery || connection.isPinged) continue;
      if (nowMs - connection.heardMs < PING_AFTER_MS) continue;
      connection.isPinged = true;
      sendPing(phase.session, effects);
    }
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
    for (const task of session.tasks.values()) this.#tasks.abort(task, effects);
    if (!session.isDiscovery) effects.push({ kind: 'nexus-closed', nexus: session.nexus });
  }
}

function whyOverdue(connection: Connection, nowMs: number): string | undefined {
  if (connection.phase.kind === 'login') {
    return nowMs - connection.openedMs >= LOGIN_TIMEOUT_MS ? 'login took too long' : undefined;
  }
  const limitMs = connection.phase.session.isDiscovery ? DISCOVERY_IDLE_MS : SILENCE_LIMIT_MS;
  return nowMs - connection.heardMs >= limitMs ? 'initiator is silent' : undefined;
}
