import { ZERO } from '../../sim/content.ts';
import { NEVER, Register, type Write } from '../../sim/register.ts';

/** Ticks are moments; a write from 10 to 20 was submitted at 10 and acknowledged at 20. */
function make() {
  const register = new Register();
  const write = (stamp: number, start: number, end = NEVER, more: Partial<Write> = {}): void => {
    const facts = { isFua: false, latest: NEVER, mustNotBeSeen: false };
    register.add({ stamp, start, end, ...facts, ...more });
  };
  const why = (coveredBefore = -1) => register.whyNotLinearizable(coveredBefore);
  return { register, write, why };
}

describe('a block as a register', () => {
  test('may show what it held when a read began, or what was written during it', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(2, 5, 8);
    register.read(1, 4, 6);
    register.read(2, 6, 7);
    expect(why()).toBeUndefined();
  });

  test('does not show a value that another had replaced before the read began', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(2, 5, 8);
    register.read(1, 9, 10);
    expect(why()).toContain('cannot both have been the last one written');
  });

  test('does not go back to zeros that something had replaced', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    register.read(ZERO, 3, 4);
    expect(why()).toBeDefined();
  });

  test('shows zeros again after a trim, and never what was trimmed', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(ZERO, 3, 4);
    register.read(ZERO, 5, 6);
    expect(why()).toBeUndefined();
    register.read(1, 7, 8);
    expect(why()).toBeDefined();
  });

  test('may show a write that nobody acknowledged, and then has it', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(2, 3);
    register.read(1, 4, 5);
    register.read(2, 6, 7);
    expect(why()).toBeUndefined();
    register.read(1, 8, 9);
    expect(why()).toBeDefined();
  });

  test('never shows what was not written, or was cancelled unsent', () => {
    const { register, why } = make();
    register.read(7, 1, 2);
    expect(why()).toContain('which is not there to be read');
    const cancelled = make();
    cancelled.write(1, 1, NEVER, { mustNotBeSeen: true });
    cancelled.register.read(1, 2, 3);
    expect(cancelled.why()).toContain('after it was cancelled');
  });

  test('takes nothing that reaches a controller after its successor served', () => {
    const { register, write, why } = make();
    write(1, 5, NEVER, { latest: 4 });
    register.read(1, 6, 7);
    expect(why()).toContain('superseded controller');
  });
});

describe('a block after a power loss that the volume owned up to', () => {
  test('may be what no flush had covered, any of it, but always the same', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(2, 3, 4);
    register.forget(10, -1, -1);
    register.read(1, 11, 12);
    expect(why()).toBeUndefined();
    register.read(2, 13, 14);
    expect(why()).toBeDefined();
  });

  test('is nothing older than what a flush covered', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(2, 3, 4);
    register.forget(10, 5, -1);
    register.read(1, 11, 12);
    expect(why()).toContain('which is not there to be read');
  });

  test('is nothing older than what a flush covered that ended only after the loss', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(2, 3, 4);
    register.forget(10, -1, -1);
    register.read(1, 11, 12);
    expect(why(5)).toContain('which a flush had replaced for good');
  });

  test('is nothing older than a write with FUA', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    write(2, 3, 4, { isFua: true });
    register.forget(10, -1, -1);
    register.read(1, 11, 12);
    expect(why()).toBeDefined();
  });

  test('may be torn, from writes that could have been there whole', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    register.forget(10, -1, -1);
    register.addTorn(100, [ZERO, 1]);
    register.read(100, 11, 12);
    expect(why()).toBeUndefined();
    register.addTorn(101, [1, 9]);
    register.read(101, 13, 14);
    expect(why()).toContain('a sector of a torn block showed 9');
  });

  test('was never torn without one', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    register.addTorn(100, [ZERO, 1]);
    register.read(100, 3, 4);
    expect(why()).toContain('a torn block was read');
  });

  test('keeps what is written after it', () => {
    const { register, write, why } = make();
    write(1, 1, 2);
    register.forget(10, -1, -1);
    write(3, 11, 12);
    register.read(1, 13, 14);
    expect(why()).toBeDefined();
  });
});
