import type { NexusId } from '../scsi/plan.ts';
import type { CommandWindow } from './command-window.ts';
import { NO_TAG } from './constants.ts';
import type { AddressRoom } from './data-room.ts';
import type { LoginResult } from './login.ts';
import type { Negotiation, SessionParameters } from './negotiation.ts';
import type { ConnectionId, TargetEffect } from './step.ts';
import type { Task } from './tasks.ts';
import type { TextExchange } from './text-keys.ts';

/** Room for the data of writes and of reads. */
export interface Rooms {
  readonly writes: AddressRoom;
  readonly reads: AddressRoom;
}

/** Text request that is being gathered or answered, and the tag that continues it. */
export interface OpenText {
  readonly exchange: TextExchange;
  readonly ttt: number;
}

/**
 * A session in the full feature phase. It has one connection, and at error recovery level 0 it ends
 * with it.
 */
export class Session {
  readonly connection: ConnectionId;
  readonly nexus: NexusId;
  readonly tsih: number;
  readonly initiatorName: string;
  readonly isid: string;
  /** The initiator's own name for the connection. */
  readonly cid: number;
  readonly isDiscovery: boolean;
  readonly window: CommandWindow;
  readonly negotiation: Negotiation;
  parameters: SessionParameters;
  /** By initiator task tag: all tasks whose response is still owed. */
  readonly tasks = new Map<number, Task>();
  /** Writes that wait for their R2T until `solicitedBytes` leaves room, in order of arrival. */
  readonly waitingWrites: Task[] = [];
  /** What commands of this session may hold, with the other sessions of its address. */
  readonly rooms: Rooms;
  /** Reads that wait for room, or for the initiator to take its answers, in order of arrival. */
  readonly waitingReads: Task[] = [];
  /** More than enough answers wait to be sent. */
  isCongested = false;
  /** Bytes asked for by R2T, of writes that are not done. */
  solicitedBytes = 0;
  /** Immediate commands and task management requests under way. */
  immediateCount = 0;
  openText: OpenText | undefined;
  isOpen = true;
  #lastTag = 0;

  constructor(
    ids: { connection: ConnectionId; nexus: NexusId; tsih: number; rooms: Rooms },
    login: LoginResult,
  ) {
    this.connection = ids.connection;
    this.nexus = ids.nexus;
    this.tsih = ids.tsih;
    this.rooms = ids.rooms;
    this.initiatorName = login.initiatorName;
    this.isid = login.isid;
    this.cid = login.cid;
    this.isDiscovery = login.isDiscovery;
    this.window = login.window;
    this.negotiation = login.negotiation;
    this.parameters = login.negotiation.parameters();
  }

  /** Name of the initiator port: with it, an I_T nexus is known again (RFC 7143 section 4.4.1). */
  get portName(): string {
    return `${this.initiatorName},i,0x${this.isid}`;
  }

  /** A target transfer tag that is not in use: 2^32 tags pass before one comes again. */
  takeTag(): number {
    this.#lastTag = (this.#lastTag + 1) % NO_TAG;
    return this.#lastTag;
  }

  send(header: Buffer, data: Buffer | undefined, effects: TargetEffect[]): void {
    effects.push({ kind: 'send', connection: this.connection, header, data });
  }
}
