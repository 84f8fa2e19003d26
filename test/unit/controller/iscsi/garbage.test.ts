import { PduFramer } from '../../../../controller/iscsi/framer.ts';
import { MAX_RECV_DATA_SEGMENT_BYTES } from '../../../../controller/iscsi/limits.ts';
import type { Pdu, TargetEffect } from '../../../../controller/iscsi/step.ts';
import type { IscsiTarget } from '../../../../controller/iscsi/target.ts';
import {
  GOOD,
  makePdu,
  makeRandom,
  makeTarget,
  TestInitiator,
  wireBytes,
} from '../../../support/initiator-pdus.ts';

const SEED = 20260101;
const PDU_COUNT = 20_000;
/** Every opcode of an initiator, immediate or not, and some that do not exist. */
const OPCODES = [0x00, 0x01, 0x01, 0x01, 0x02, 0x03, 0x04, 0x05, 0x05, 0x06, 0x10, 0x1f, 0x21];

/** Device server that ends a random half of its tasks after each step, the rest later. */
class Device {
  readonly owed = new Set<number>();
  readonly open = new Set<number>();

  take(effects: readonly TargetEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'execute') {
        expect(this.open.has(effect.nexus)).toBe(true);
        this.owed.add(effect.task);
      } else if (effect.kind === 'cancel') {
        expect(this.owed.has(effect.task)).toBe(true);
      } else if (effect.kind === 'nexus-opened') {
        this.open.add(effect.nexus);
      } else if (effect.kind === 'nexus-closed') {
        expect(this.open.delete(effect.nexus)).toBe(true);
      }
    }
  }
}

function randomPdu(initiator: TestInitiator, random: () => number): Pdu {
  const pick = (limit: number) => Math.floor(random() * limit);
  const pdu = makePdu({
    opcode: (OPCODES[pick(OPCODES.length)] as number) | (random() < 0.4 ? 0x40 : 0),
    flags: pick(256),
    itt: pick(6),
    words: {
      20: random() < 0.3 ? 0xffffffff : pick(8) * 512,
      24: initiator.cmdSN + (random() < 0.01 ? pick(3) : 0),
      36: pick(3),
      40: pick(4) * 512,
      44: pick(2 ** 32),
    },
    data: Buffer.alloc(random() < 0.5 ? 0 : pick(4) * 512, 'k=v\0'),
  });
  while (random() < 0.3) pdu.header[pick(48)] = pick(256);
  pdu.header.writeUIntBE(pdu.data.length, 5, 3);
  if (((pdu.header[0] as number) & 0x40) === 0) initiator.takeCmdSN();
  return pdu;
}

function endTasks(target: IscsiTarget, device: Device, random: () => number): void {
  for (const task of [...device.owed]) {
    if (random() < 0.5) continue;
    device.owed.delete(task);
    const effects: TargetEffect[] = [];
    target.step({ kind: 'task-done', task, outcome: GOOD, nowMs: 0 }, effects);
    device.take(effects);
  }
}

describe('target', () => {
  test(`survives ${PDU_COUNT} random requests (seed ${SEED}), which cost their connection only`, () => {
    const random = makeRandom(SEED);
    const target = makeTarget();
    const device = new Device();
    const bystander = new TestInitiator(target, 0).loginAs([
      'InitiatorName=iqn.bystander',
      'TargetName=iqn.2026-01.io.keelson:default.vol1',
    ]);
    device.take(bystander.effects);
    let connection = 1;
    let initiator = new TestInitiator(target, connection).login('InitialR2T=No');
    device.take(initiator.effects);
    for (let count = 0; count < PDU_COUNT; count += 1) {
      device.take(initiator.send(randomPdu(initiator, random)));
      const isClosed = initiator.kinds().includes('close');
      endTasks(target, device, random);
      if (!isClosed && random() > 0.01) continue;
      device.take(initiator.step({ kind: 'closed', connection, nowMs: 0 }));
      connection += 1;
      initiator = new TestInitiator(target, connection).login('InitialR2T=No');
      device.take(initiator.effects);
    }
    expect(connection).toBeGreaterThan(100);
    expect(target.sessionCount()).toBeLessThanOrEqual(2);
    device.take(initiator.step({ kind: 'closed', connection, nowMs: 0 }));
    endTasks(target, device, () => 1);
    expect(device.owed.size).toBe(0);
  });

  test(`survives ${PDU_COUNT} random logins (seed ${SEED})`, () => {
    const random = makeRandom(SEED);
    const target = makeTarget();
    for (let connection = 1; connection <= PDU_COUNT; connection += 1) {
      const initiator = new TestInitiator(target, connection);
      const data = Buffer.from('InitiatorName=a\0SessionType=Discovery\0MaxBurstLength=512\0');
      const pdu = initiator.loginPdu(random() < 0.5 ? 0x87 : Math.floor(random() * 256), data);
      while (random() < 0.6) pdu.header[Math.floor(random() * 48)] = Math.floor(random() * 256);
      while (random() < 0.6) data[Math.floor(random() * data.length)] = Math.floor(random() * 256);
      initiator.send(pdu);
      initiator.send(pdu);
      initiator.step({ kind: 'closed', connection, nowMs: 0 });
    }
    expect(target.sessionCount()).toBe(0);
  });

  test(`framer survives random streams (seed ${SEED}) and never holds more than one PDU`, () => {
    const random = makeRandom(SEED);
    for (let round = 0; round < 2000; round += 1) {
      const stream = wireBytes(makePdu({ opcode: 1, data: Buffer.alloc(64) }));
      while (random() < 0.7) stream[Math.floor(random() * 48)] = Math.floor(random() * 256);
      const pdus: Pdu[] = [];
      const framer = new PduFramer(MAX_RECV_DATA_SEGMENT_BYTES);
      let reason: string | undefined;
      for (let at = 0; at < stream.length && reason === undefined; at += 16) {
        reason = framer.push(stream.subarray(at, at + 16), pdus);
      }
      for (const pdu of pdus) {
        expect(pdu.data.length).toBeLessThanOrEqual(MAX_RECV_DATA_SEGMENT_BYTES);
      }
    }
  });
});
