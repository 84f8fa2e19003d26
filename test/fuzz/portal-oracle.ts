import { FINAL, RESPONSE } from '../../controller/iscsi/constants.ts';
import type { TargetEffect } from '../../controller/iscsi/step.ts';
import { expectThat } from './target.ts';

const OPCODES: ReadonlySet<number> = new Set(Object.values(RESPONSE));

/** Before anything is declared, an initiator takes this much in one PDU (RFC 7143 section 13.12). */
const LOGIN_DATA_BYTES = 8192;
const HIGHEST_STATUS_CLASS = 3;

export type SendEffect = Extract<TargetEffect, { kind: 'send' }>;

/** What every portal must keep to, whatever it is sent. */
export class PortalOracle {
  readonly closed = new Set<number>();
  readonly nexuses = new Set<number>();
  readonly sent: SendEffect[] = [];
  /** Tasks that the device server was given and has not answered. */
  readonly tasks = new Set<number>();
  /** Largest data segment that a connection's initiator takes. */
  readonly #maxDataBytes = new Map<number, number>();

  loggedIn(connection: number, maxDataBytes: number): void {
    this.#maxDataBytes.set(connection, maxDataBytes);
  }

  see(effects: readonly TargetEffect[]): void {
    for (const effect of effects) this.#seeOne(effect);
  }

  #seeOne(effect: TargetEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#seeSent(effect);
        return;
      case 'close':
        expectThat(!this.closed.has(effect.connection), 'a connection is closed twice', effect);
        this.closed.add(effect.connection);
        return;
      case 'execute':
        expectThat(!this.tasks.has(effect.task), 'a task is executed twice', effect.task);
        expectThat(this.nexuses.has(effect.nexus), 'a command of a nexus that is not there');
        this.tasks.add(effect.task);
        return;
      case 'cancel':
        expectThat(this.tasks.has(effect.task), 'a task is cancelled that is not under way');
        return;
      case 'nexus-opened':
        expectThat(!this.nexuses.has(effect.nexus), 'a nexus is opened twice', effect.nexus);
        this.nexuses.add(effect.nexus);
        return;
      case 'nexus-closed':
        expectThat(this.nexuses.delete(effect.nexus), 'a nexus is closed that is not open');
        return;
      default:
        return;
    }
  }

  #seeSent(effect: SendEffect): void {
    const { connection, header, data } = effect;
    expectThat(!this.closed.has(connection), 'a PDU is sent behind the end of its connection');
    expectThat(header.length === 48, 'a header is 48 bytes', header.length);
    expectThat(OPCODES.has(header[0]! & 0x3f), 'an opcode of a target', header[0]);
    const dataBytes = data?.length ?? 0;
    expectThat(header.readUIntBE(5, 3) === dataBytes, 'the data segment has its length', {
      said: header.readUIntBE(5, 3),
      dataBytes,
    });
    const limit = this.#maxDataBytes.get(connection) ?? LOGIN_DATA_BYTES;
    expectThat(dataBytes <= limit, 'a data segment is longer than the initiator takes', {
      dataBytes,
      limit,
    });
    if ((header[0]! & 0x3f) === RESPONSE.LOGIN) {
      expectThat(header[36]! <= HIGHEST_STATUS_CLASS, 'a login status that the RFC knows');
      expectThat(header[36] === 0 || (header[1]! & FINAL) === 0, 'a refusal goes on to a stage');
    }
    this.sent.push(effect);
  }
}
