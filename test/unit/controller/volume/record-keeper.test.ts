import type { Membership } from '../../../../controller/protocol/membership.ts';
import { RecordKeeper } from '../../../../controller/volume/record-keeper.ts';
import type { VolumeEffect } from '../../../../controller/volume/step.ts';
import { makeRecord, OWNER } from '../support/copies.ts';

const OTHER = { instanceId: 'i2', address: 'host:3260' };

function start() {
  const effects: VolumeEffect[] = [];
  const keeper = new RecordKeeper(makeRecord([{}, {}]), OWNER, 250);
  const sent = () => effects.findLast((effect) => effect.kind === 'change-record')?.membership;
  return { keeper, effects, sent };
}

function claimed() {
  const started = start();
  started.keeper.claim(started.effects);
  const record = started.sent()!;
  expect(started.keeper.accept(record, started.effects)).toBe(record);
  return { ...started, record };
}

const later = (record: Membership, versions = 1): Membership => ({
  ...record,
  version: record.version + versions,
});

describe('record keeper', () => {
  test('claims anew when another change was first', () => {
    const { keeper, effects, sent } = start();
    keeper.claim(effects);
    const current = { ...makeRecord([{}, {}]), version: 9, epoch: 5, controller: OTHER };
    expect(keeper.accept(current, effects)).toBeUndefined();
    expect(sent()).toMatchObject({ version: 10, epoch: 6, controller: OWNER });
    expect(keeper.isClaimed).toBe(false);
  });

  test('stops when the record belongs to another controller', () => {
    const { keeper, effects, record } = claimed();
    const taken = { ...later(record), epoch: record.epoch + 1, controller: OTHER };
    expect(keeper.offer(taken, effects)).toBeUndefined();
    expect(effects.at(-1)).toMatchObject({ kind: 'stop', code: 'EPOCH_SUPERSEDED' });
  });

  test('takes what the orchestrator changed, and nothing older', () => {
    const { keeper, effects, record } = claimed();
    const newer = later(record);
    expect(keeper.offer(newer, effects)).toBe(newer);
    expect(keeper.offer(record, effects)).toBe(newer);
    expect(keeper.record).toBe(newer);
  });

  test('never takes an offer for the answer to a change under way (I1)', () => {
    const { keeper, effects, record } = claimed();
    keeper.change(later(record), effects);
    const orchestrators = later(record, 2);
    expect(keeper.offer(orchestrators, effects)).toBeUndefined();
    expect([keeper.isChanging, keeper.record]).toEqual([true, record]);
    expect(keeper.accept(later(record), effects)).toBe(orchestrators);
  });
});
