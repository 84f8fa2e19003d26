import { Controller, type ControllerEffects } from '../../../../controller/core/controller.ts';
import type { IscsiTarget } from '../../../../controller/iscsi/target.ts';
import { DeviceServer } from '../../../../controller/scsi/device-server.ts';
import type { VolumeOutcome } from '../../../../controller/volume/operation.ts';
import type { VolumeEffect, VolumeEvent } from '../../../../controller/volume/step.ts';
import type { Volume } from '../../../../controller/volume/volume.ts';
import {
  makePdu,
  makeTarget,
  type Sent,
  TARGET_NAME,
  TestInitiator,
} from '../../../support/initiator-pdus.ts';
import { makeOut, type OutOptions } from '../scsi/cluster.ts';
import { IDENTITY } from '../scsi/fixture.ts';

type Request = Extract<VolumeEvent, { kind: 'request' }>;

/** Holds writes, and stores if told to, until the test completes them; all else succeeds at once. */
class HeldVolume {
  /** Writes that were not sent to a copy yet. */
  waiting: Request[] = [];
  /** Writes that were sent and not answered. */
  sent: Request[] = [];
  holdsStores = false;

  step(event: VolumeEvent, effects: VolumeEffect[]): void {
    if (event.kind === 'request') {
      const { kind } = event.operation;
      if (kind === 'write') this.waiting.push(event);
      else if (kind === 'store' && this.holdsStores) this.sent.push(event);
      else complete(event, { ok: true, data: Buffer.alloc(0) }, effects);
    } else if (event.kind === 'cancel') {
      const at = this.waiting.findIndex(({ request }) => request === event.request);
      const [cancelled] = at < 0 ? [] : this.waiting.splice(at, 1);
      if (cancelled !== undefined) complete(cancelled, { ok: false, reason: 'NOT_READY' }, effects);
    } else if (event.kind === 'tick') {
      for (const request of this.sent.splice(0)) complete(request, { ok: true }, effects);
    }
  }

  /** As when the failure mode allows I/O again. */
  send(): void {
    this.sent.push(...this.waiting.splice(0));
  }
}

function complete({ request }: Request, outcome: VolumeOutcome, effects: VolumeEffect[]): void {
  effects.push({ kind: 'complete', request, outcome });
}

/** Two hosts at one controller. */
class World {
  readonly volume = new HeldVolume();
  readonly notices: string[] = [];
  readonly #sent: Sent[] = [];
  readonly #controller = new Controller({
    target: makeTarget(),
    device: new DeviceServer(IDENTITY),
    volume: this.volume as unknown as Volume,
    release: () => undefined,
  });
  readonly a = this.#login(1, 'iqn.2026-11.org.example:a');
  readonly b = this.#login(2, 'iqn.2026-11.org.example:b');

  #login(connection: number, name: string): TestInitiator {
    const step = (event: never, effects: unknown[]) => {
      const done = this.#step({ side: 'portal', event });
      effects.push(...done.filter((effect) => effect.connection === connection));
    };
    const initiator = new TestInitiator({ step } as unknown as IscsiTarget, connection);
    initiator.loginAs(
      [`InitiatorName=${name}`, `TargetName=${TARGET_NAME}`],
      ['ImmediateData=Yes'],
    );
    this.status(initiator, '00');
    return initiator;
  }

  #step(event: Parameters<Controller['step']>[0]): Sent[] {
    const effects: ControllerEffects = { portal: [], volume: [] };
    this.#controller.step(event, effects);
    const sent = effects.portal.filter((effect) => effect.kind === 'send');
    this.#sent.push(...sent);
    return sent;
  }

  /** Sends a command and returns its tag. */
  start(initiator: TestInitiator, cdb: string, data: Buffer = Buffer.alloc(0)): number {
    const itt = initiator.nextItt();
    const pdu = makePdu({
      opcode: 0x01,
      flags: data.length > 0 ? 0xa0 : 0x80,
      itt,
      words: { 20: data.length, 24: initiator.takeCmdSN() },
      data,
    });
    pdu.header.write(cdb.replaceAll(' ', ''), 32, 'hex');
    initiator.send(pdu);
    return itt;
  }

  /** Status of the response to this tag; undefined when there is none. */
  statusOf(initiator: TestInitiator, itt: number): number | undefined {
    const response = this.#sent.find(
      ({ connection, header }) =>
        connection === initiator.connection &&
        header[0] === 0x21 &&
        header.readUInt32BE(16) === itt,
    );
    return response?.header[3];
  }

  status(initiator: TestInitiator, cdb: string, data?: Buffer): number | undefined {
    return this.statusOf(initiator, this.start(initiator, cdb, data));
  }

  out(
    initiator: TestInitiator,
    action: Parameters<typeof makeOut>[0],
    options: OutOptions,
  ): number {
    const [cdb, data] = makeOut(action, options);
    return this.start(initiator, cdb, data);
  }

  /** The copies answer all writes that were sent. */
  answer(): void {
    this.#step({ side: 'volume', event: { kind: 'tick', nowMs: 0 } });
  }
}

const WRITE: [string, Buffer] = ['2a 00 00000000 00 0001', Buffer.alloc(512)];
const GOOD = 0x00;
const CHECK_CONDITION = 0x02;
const CONFLICT = 0x18;

function reserved(): World {
  const world = new World();
  const { a, b } = world;
  const tags = [
    [a, world.out(a, 'REGISTER', { sark: 1, aptpl: true })],
    [b, world.out(b, 'REGISTER', { sark: 2 })],
    [a, world.out(a, 'RESERVE', { key: 1, type: 1 })],
  ] as const;
  for (const [host, itt] of tags) expect(world.statusOf(host, itt)).toBe(GOOD);
  return world;
}

test('I15 PREEMPT AND ABORT answers when writes that were sent are done, and none is sent behind it', () => {
  const world = reserved();
  const { a, b, volume } = world;
  const inFlight = world.start(a, ...WRITE);
  volume.send();
  const held = world.start(a, ...WRITE);
  expect([volume.sent.length, volume.waiting.length]).toEqual([1, 1]);

  const preemption = world.out(b, 'PREEMPT_AND_ABORT', { key: 2, sark: 1, type: 1 });
  expect(volume.waiting).toEqual([]);
  expect(world.statusOf(b, preemption)).toBeUndefined();
  expect(world.status(a, ...WRITE)).toBe(CONFLICT);

  world.answer();
  expect(world.statusOf(b, preemption)).toBe(GOOD);
  expect([world.statusOf(a, inFlight), world.statusOf(a, held)]).toEqual([undefined, undefined]);
  // Registrations preempted, then commands cleared.
  expect([world.status(a, '00'), world.status(a, '00'), world.status(a, '00')]).toEqual([
    CHECK_CONDITION,
    CHECK_CONDITION,
    GOOD,
  ]);
  expect(world.status(a, ...WRITE)).toBe(CONFLICT);
  const own = world.start(b, ...WRITE);
  volume.send();
  world.answer();
  expect(world.statusOf(b, own)).toBe(GOOD);
  expect(volume.sent).toEqual([]);
});

test('PREEMPT alone leaves what was accepted before to its end', () => {
  const world = reserved();
  const { a, b, volume } = world;
  const held = world.start(a, ...WRITE);
  const preemption = world.out(b, 'PREEMPT', { key: 2, sark: 1, type: 1 });
  expect(world.statusOf(b, preemption)).toBe(GOOD);
  volume.send();
  world.answer();
  expect(world.statusOf(a, held)).toBe(GOOD);
});

test('a PREEMPT AND ABORT that waits for its turn is itself aborted by the one before it', () => {
  const world = reserved();
  const { a, b, volume } = world;
  expect(world.statusOf(a, world.out(a, 'REGISTER', { key: 1, sark: 1, aptpl: true }))).toBe(GOOD);
  volume.holdsStores = true;
  const first = world.out(b, 'PREEMPT_AND_ABORT', { key: 2, sark: 1, type: 1 });
  const second = world.out(a, 'PREEMPT_AND_ABORT', { key: 1, sark: 2, type: 1 });
  expect(volume.sent).toHaveLength(1);
  world.answer();
  expect(world.statusOf(b, first)).toBe(GOOD);
  expect(world.statusOf(a, second)).toBeUndefined();
  const third = world.out(b, 'CLEAR', { key: 2 });
  world.answer();
  expect(world.statusOf(b, third)).toBe(GOOD);
});

test('a LOGICAL UNIT RESET while a preemption waits ends both, and the next command finds its turn', () => {
  const world = reserved();
  const { a, b, volume } = world;
  world.start(a, ...WRITE);
  volume.send();
  const preemption = world.out(b, 'PREEMPT_AND_ABORT', { key: 2, sark: 1, type: 1 });
  a.send(a.manage(5));
  world.answer();
  expect(world.statusOf(b, preemption)).toBeUndefined();
  world.status(b, '00');
  expect(world.statusOf(b, world.out(b, 'RELEASE', { key: 2, type: 1 }))).toBe(GOOD);
});
