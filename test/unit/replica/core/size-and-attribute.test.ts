import { MAX_ATTRIBUTE_BYTES } from '../../../../replica/common/limits.ts';
import { OPCODE, STATUS } from '../../../../replica/protocol/constants.ts';
import { CoreHarness, GENERATION, METADATA } from '../support/core-harness.ts';

describe('replica attribute', () => {
  test('is durable before it is answered, and part of the next welcome', () => {
    const core = new CoreHarness();
    core.hello(1);
    const payload = Buffer.from('reserved');
    const [persist, reply] = core.send(1, OPCODE.STORE, {
      seq: 3,
      payload,
      length: payload.length,
    });
    const attribute = payload.toString('base64');
    expect(persist).toMatchObject({ kind: 'persist', metadata: { attribute, isPristine: false } });
    expect(reply).toMatchObject({ kind: 'reply', opcode: OPCODE.STORE_REPLY, seq: 3, status: 0 });
    expect(core.welcome(2).attribute).toBe(attribute);
    const tooLong = Buffer.alloc(MAX_ATTRIBUTE_BYTES + 1);
    const refused = core.send(2, OPCODE.STORE, { payload: tooLong, length: tooLong.length });
    expect(refused).toMatchObject([{ kind: 'reply', status: STATUS.INVALID }]);
  });
});

describe('replica resize', () => {
  const grow = (core: CoreHarness, sizeBytes: number) =>
    core.send(1, OPCODE.RESIZE, { seq: 4, offset: sizeBytes });

  test('is done by the driver, then persisted, then answered; writes go to the new end', () => {
    const core = new CoreHarness();
    core.hello(1);
    const sizeBytes = METADATA.sizeBytes * 20; // beyond the chunks that the maps are made of
    const [effect] = grow(core, sizeBytes);
    expect(effect).toMatchObject({ kind: 'grow', frame: { offset: sizeBytes } });
    if (effect?.kind !== 'grow') return;
    const [persist, reply] = core.executed(effect.frame);
    expect(persist).toMatchObject({ kind: 'persist', metadata: { sizeBytes } });
    expect(reply).toMatchObject({ opcode: OPCODE.RESIZE_REPLY, seq: 4, status: STATUS.OK });
    const write = { seq: 5, offset: sizeBytes - 4096 };
    expect(core.send(1, OPCODE.WRITE, write)).toEqual([]); // until its extent is hot
    core.settle();
    expect(core.regions.newest(sizeBytes - 4096, sizeBytes)).toBe(GENERATION);
    expect(core.welcome(2).sizeBytes).toBe(sizeBytes);
  });

  test('changes nothing, when the copy is as large, the size is no whole block, or the disk is full', () => {
    const core = new CoreHarness();
    core.hello(1);
    expect(grow(core, METADATA.sizeBytes)).toMatchObject([{ kind: 'reply', status: STATUS.OK }]);
    expect(grow(core, 4096)).toMatchObject([{ kind: 'reply', status: STATUS.OK }]);
    expect(grow(core, METADATA.sizeBytes + 512)).toMatchObject([{ status: STATUS.INVALID }]);
    const [effect] = grow(core, METADATA.sizeBytes * 2);
    if (effect?.kind !== 'grow') throw new Error('expected it to grow');
    expect(core.executed(effect.frame, STATUS.NO_SPACE)).toMatchObject([
      { kind: 'reply', status: STATUS.NO_SPACE },
    ]);
    expect(core.welcome(2).sizeBytes).toBe(METADATA.sizeBytes);
  });
});
