import { Preludes } from '../../../../controller/core/preludes.ts';
import { DeviceServer } from '../../../../controller/scsi/device-server.ts';
import { OPCODE, RESERVE_OUT, STATUS } from '../../../../controller/scsi/opcode.ts';
import type {
  NexusId,
  ScsiCommand,
  ScsiOutcome,
  ScsiPlan,
} from '../../../../controller/scsi/plan.ts';
import { isPrelude } from '../../../../controller/scsi/prelude.ts';
import { makeTransportId } from '../../../../controller/scsi/reservations/transport-id.ts';
import type { VolumeOperation, VolumeOutcome } from '../../../../controller/volume/operation.ts';
import type { RequestHandle } from '../../../../controller/volume/step.ts';
import { IDENTITY, LUN_0, senseOf } from './fixture.ts';

/** z only looks on. */
const HOSTS = ['a', 'b', 'c', 'd', 'z'] as const;
export type Host = (typeof HOSTS)[number];

interface Open {
  readonly request: RequestHandle;
  readonly operation: VolumeOperation;
  /** What the volume kept when it was submitted: what a load finds. */
  readonly attribute: Buffer;
}

export interface OutOptions {
  readonly key?: number;
  readonly sark?: number;
  readonly type?: number;
  readonly aptpl?: boolean;
  /** Hosts named by SPEC_I_PT. */
  readonly ports?: readonly Host[];
  readonly allTargetPorts?: boolean;
}

/**
 * Hosts that share a device: what they send is carried out on a volume that keeps an attribute and
 * reads as zeros. `send` waits until the command is answered, `start` does not.
 */
export class Cluster {
  device: DeviceServer = new DeviceServer(IDENTITY);
  attribute: Buffer = Buffer.alloc(0);
  failure: 'NOT_READY' | 'IO_FAILED' | undefined;
  readonly operations: VolumeOperation[] = [];
  /** Nexuses that PREEMPT AND ABORT was asked to clear. */
  readonly aborts: (readonly NexusId[])[] = [];
  /** Hosts that have tasks to abort. */
  busy: Host[] = [];
  readonly notices: { message: string; fields: Readonly<Record<string, unknown>> }[] = [];
  readonly outcomes = new Map<number, ScsiOutcome>();
  readonly #nexuses = new Map<Host, NexusId>();
  #open: Open[] = [];
  #preludes = this.#makePreludes();
  #lastId = 0;

  constructor(hosts: readonly Host[] = ['a', 'b', 'c']) {
    for (const host of [...hosts, 'z'] as const) this.login(host);
  }

  /** Logs in, and takes the power on attention. */
  login(host: Host): void {
    this.#lastId += 1;
    this.#nexuses.set(host, this.#lastId);
    this.device.nexusOpened(this.#lastId, portOf(host));
    this.device.execute(this.#command(host, '00'));
  }

  logout(host: Host): void {
    this.device.nexusClosed(this.nexusOf(host));
    this.#nexuses.delete(host);
  }

  nexusOf(host: Host): NexusId {
    const nexus = this.#nexuses.get(host);
    if (nexus === undefined) throw new Error(`${host} is not logged in`);
    return nexus;
  }

  /** Another controller takes over; all hosts that were logged in do so again. */
  restart(): void {
    const hosts = [...this.#nexuses.keys()];
    this.device = new DeviceServer(IDENTITY);
    this.#preludes = this.#makePreludes();
    this.#open = [];
    for (const host of hosts) this.login(host);
  }

  /** Starts a command and returns its number. */
  start(host: Host, cdb: string, dataOut?: Buffer): number {
    this.#lastId += 1;
    const task = this.#lastId;
    const command = this.#command(host, cdb, dataOut);
    const course = this.device.execute(command);
    if (isPrelude(course)) this.#preludes.run(task, command.cdb, course);
    else this.#finish(task, course);
    return task;
  }

  abort(task: number): void {
    this.#preludes.cancel(task);
  }

  /**
   * Carries out all operations that were submitted, and those that they lead to: the oldest first, or
   * the newest.
   */
  settle(order: 'oldest' | 'newest' = 'oldest'): void {
    for (;;) {
      const entry = order === 'oldest' ? this.#open.shift() : this.#open.pop();
      if (entry === undefined) return;
      this.#preludes.completed(entry.request as never, this.#carryOut(entry));
    }
  }

  send(host: Host, cdb: string, dataOut?: Buffer): ScsiOutcome {
    const task = this.start(host, cdb, dataOut);
    this.settle();
    const outcome = this.outcomes.get(task);
    if (outcome === undefined) throw new Error(`no answer to ${cdb} of ${host}`);
    return outcome;
  }

  /** "good", "conflict", or sense key, code and qualifier. */
  ask(host: Host, cdb: string, dataOut?: Buffer): string {
    return wordOf(this.send(host, cdb, dataOut));
  }

  out(host: Host, action: keyof typeof RESERVE_OUT, options: OutOptions = {}): string {
    return this.ask(host, ...makeOut(action, options));
  }

  startOut(host: Host, action: keyof typeof RESERVE_OUT, options: OutOptions = {}): number {
    return this.start(host, ...makeOut(action, options));
  }

  /** Registers, `aptpl` or not, whatever was registered before. */
  register(host: Host, sark: number, aptpl = false): void {
    const word = this.out(host, 'REGISTER_AND_IGNORE_EXISTING_KEY', { sark, aptpl });
    if (word !== 'good') throw new Error(`register ${host}: ${word}`);
  }

  /** REGISTER AND MOVE to `destination`. */
  move(
    host: Host,
    destination: Buffer,
    list: { key: number; sark: number; isUnregistering?: boolean; targetPort?: number },
  ): string {
    const data = Buffer.alloc(24);
    data.writeBigUInt64BE(BigInt(list.key), 0);
    data.writeBigUInt64BE(BigInt(list.sark), 8);
    data[17] = list.isUnregistering === true ? 2 : 0;
    data.writeUInt16BE(list.targetPort ?? 1, 18);
    data.writeUInt32BE(destination.length, 20);
    const whole = Buffer.concat([data, destination]);
    return this.ask(host, `5f 07 00 0000 ${hex(whole.length, 8)} 00`, whole);
  }

  /** Registered keys, in order. */
  keys(): number[] {
    const data = this.#report('5e 00');
    return Array.from({ length: data.readUInt32BE(4) / 8 }, (_, index) =>
      Number(data.readBigUInt64BE(8 + 8 * index)),
    );
  }

  generation(): number {
    return this.#report('5e 00').readUInt32BE(0);
  }

  /** "key/type" of the reservation, or "none". */
  reservation(): string {
    const data = this.#report('5e 01');
    if (data.readUInt32BE(4) === 0) return 'none';
    return `${data.readBigUInt64BE(8)}/${data.readUInt8(21)}`;
  }

  /** What TEST UNIT READY tells of attentions, until there are none. */
  attentions(host: Host): string[] {
    const told: string[] = [];
    for (let word = this.ask(host, '00'); word !== 'good'; word = this.ask(host, '00')) {
      told.push(word);
      if (told.length > 8) throw new Error(`attentions do not end: ${told}`);
    }
    return told;
  }

  #report(action: string): Buffer {
    this.attentions('z');
    return this.send('z', `${action} 0000000000 ffff 00`).dataIn;
  }

  #command(host: Host, text: string, dataOut: Buffer = Buffer.alloc(0)): ScsiCommand {
    const cdb = Buffer.alloc(16);
    cdb.write(text.replaceAll(' ', ''), 'hex');
    return { nexus: this.nexusOf(host), lun: LUN_0, cdb, dataOut };
  }

  #makePreludes(): Preludes {
    return new Preludes({
      submit: (request, operation) => {
        this.operations.push(operation);
        this.#open.push({ request, operation, attribute: this.attribute });
      },
      cancel: (request) => {
        this.#open = this.#open.filter((entry) => entry.request !== request);
        this.#preludes.completed(request as never, { ok: false, reason: 'NOT_READY' });
      },
      abortTasks: (task, nexuses) => {
        this.aborts.push(nexuses);
        const lost = this.busy.map((host) => this.nexusOf(host));
        this.#preludes.tasksAborted(
          task,
          lost.filter((nexus) => nexuses.includes(nexus)),
        );
      },
      notice: (message, fields) => this.notices.push({ message, fields }),
      planned: (task, _cdb, plan) => this.#finish(task, plan),
    });
  }

  #finish(task: number, plan: ScsiPlan): void {
    let current = plan;
    while (current.kind === 'volume') {
      current = current.next(
        current.operations.map((operation) =>
          this.#carryOut({ operation, attribute: this.attribute }),
        ),
      );
    }
    if (current.kind === 'done') this.outcomes.set(task, current.outcome);
  }

  #carryOut({ operation, attribute }: Omit<Open, 'request'>): VolumeOutcome {
    if (this.failure !== undefined) return { ok: false, reason: this.failure };
    if (operation.kind === 'store') this.attribute = operation.data;
    if (operation.kind === 'load') return { ok: true, data: attribute };
    return operation.kind === 'read'
      ? { ok: true, data: Buffer.alloc(operation.length) }
      : { ok: true };
  }
}

/** a and b are registered with keys 1 and 2; a reserved. */
export function reserved(type: number): Cluster {
  const cluster = new Cluster();
  cluster.register('a', 1);
  cluster.register('b', 2);
  const word = cluster.out('a', 'RESERVE', { key: 1, type });
  if (word !== 'good') throw new Error(`reserve: ${word}`);
  return cluster;
}

export function portOf(host: Host): string {
  return `iqn.2026-11.org.example:${host},i,0x00023d00000${HOSTS.indexOf(host)}`;
}

export function wordOf(outcome: ScsiOutcome): string {
  return outcome.status === STATUS.RESERVATION_CONFLICT ? 'conflict' : senseOf(outcome);
}

export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** CDB and parameter list of a PERSISTENT RESERVE OUT. */
export function makeOut(
  action: keyof typeof RESERVE_OUT,
  { key = 0, sark = 0, type = 0, aptpl = false, ports, allTargetPorts = false }: OutOptions = {},
): [string, Buffer] {
  const list = Buffer.alloc(24);
  list.writeBigUInt64BE(BigInt(key), 0);
  list.writeBigUInt64BE(BigInt(sark), 8);
  list[20] = (ports === undefined ? 0 : 8) | (allTargetPorts ? 4 : 0) | (aptpl ? 1 : 0);
  const parts = [list];
  if (ports !== undefined) {
    const ids = Buffer.concat(ports.map((host) => makeTransportId(portOf(host))));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(ids.length, 0);
    parts.push(length, ids);
  }
  const data = Buffer.concat(parts);
  const opcode = hex(OPCODE.PERSISTENT_RESERVE_OUT, 2);
  const cdb = `${opcode} ${hex(RESERVE_OUT[action], 2)} ${hex(type, 2)} 0000 ${hex(data.length, 8)} 00`;
  return [cdb, data];
}
