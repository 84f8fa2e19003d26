import { OPCODE } from '../../../../replica/protocol/constants.ts';
import {
  CoreHarness,
  E,
  frameOf,
  kinds,
  replyTo,
  savedBits,
  words,
} from '../support/core-harness.ts';

/** Connected, nothing hot. */
function cold(): CoreHarness {
  const core = new CoreHarness();
  core.hello(1);
  return core;
}

const write = (extent: number, seq = 1) => [OPCODE.WRITE, { offset: extent * E, seq }] as const;

describe('first change of a cold extent', () => {
  test.each([
    ['write', OPCODE.WRITE, 'write'],
    ['trim', OPCODE.TRIM, 'trim'],
    ['mark', OPCODE.MARK, 'reply 57'],
  ] as const)('waits until its bit is durable: %s', (_case, opcode, effect) => {
    const core = cold();
    expect(core.send(1, opcode)).toEqual([]);
    expect(core.regions.newest(0, E)).toBe(0); // the stamp waits too
    const effects = core.endTurn();
    expect(words(effects)).toEqual(['save hot']);
    expect(savedBits(effects)).toEqual([0]);
    expect(words(core.saved())).toEqual([effect]);
    expect(core.regions.newest(0, E)).toBe(3);
    expect(words(core.send(1, opcode))).toEqual([effect]); // the next one waits for nothing
  });

  test('holds up all that comes behind it, in order, and no heartbeat', () => {
    const core = cold();
    core.send(1, ...write(0));
    core.endTurn();
    for (const opcode of [OPCODE.READ, OPCODE.WRITE, OPCODE.TRIM, OPCODE.MARK, OPCODE.STATUS]) {
      expect(core.send(1, opcode)).toEqual([]);
    }
    for (const opcode of [OPCODE.STAMPS, OPCODE.HASHES]) {
      expect(core.send(1, opcode, { length: 65536 })).toEqual([]);
    }
    core.send(1, OPCODE.FLUSH, { seq: 8 });
    expect(core.endTurn()).toEqual([]); // not answered by an fdatasync from before the write
    expect(core.send(1, OPCODE.HEARTBEAT)).toEqual([replyTo(OPCODE.HEARTBEAT_REPLY)]);
    expect(words(core.saved())).toEqual([
      ...['write', 'read', 'write', 'trim', 'reply 57', 'reply 52', 'reply 55', 'hash'],
    ]);
    expect(core.endTurn()).toEqual([{ kind: 'fdatasync' }]);
    expect(core.synced()).toEqual([replyTo(OPCODE.FLUSH_REPLY, 8)]);
  });

  test('asks for the bits of all that is held with one save', () => {
    const core = cold();
    core.send(1, ...write(10, 1));
    expect(savedBits(core.endTurn())).toEqual([10]);
    core.send(1, ...write(20, 2));
    core.send(1, ...write(30, 3));
    expect(core.endTurn()).toEqual([]); // one at a time
    expect(words(core.saved())).toEqual(['write']);
    const effects = core.endTurn();
    expect(savedBits(effects)).toEqual([10, 20, 30]);
    expect(core.endTurn()).toEqual([]);
    expect(words(core.saved())).toEqual(['write', 'write']);
  });

  test('is carried out with its own bytes, though the buffer they came in is used again', () => {
    const core = cold();
    const frame = frameOf(OPCODE.WRITE);
    core.sendFrame(frame);
    core.endTurn();
    frame.payload.fill(0xff);
    const [effect] = core.saved();
    expect(effect).toMatchObject({ frame: { payload: Buffer.alloc(4096, 1) } });
    expect(core.replica.heldBytes).toBe(0);
  });

  test('calls nothing stable that is still held, whatever a heartbeat says', () => {
    const core = cold();
    core.send(1, ...write(0, 5));
    core.endTurn();
    core.send(1, OPCODE.HEARTBEAT, { stableSeq: 5 });
    core.saved();
    expect(core.welcome(2).tail).toEqual([{ start: 0, end: 4096 }]);
  });

  test('never happens, but leaves its bit, when the connection is replaced or closed first', () => {
    for (const isReplaced of [true, false]) {
      const core = cold();
      core.send(1, ...write(7));
      core.endTurn();
      if (isReplaced) core.hello(2);
      else core.step({ kind: 'closed', connection: 1 });
      expect(core.saved()).toEqual([]);
      expect(core.replica.status).toMatchObject({ hotExtents: 1, tailLength: 0 });
      expect(core.regions.newest(7 * E, 8 * E)).toBe(0);
    }
  });

  test('stops the replica, when its bit cannot be saved; a full disk lost nothing', () => {
    for (const isFull of [true, false]) {
      const core = cold();
      core.send(1, ...write(0));
      core.endTurn();
      const effects = core.saved('no good', isFull);
      expect(kinds(effects)).toEqual(isFull ? ['stop'] : ['persist', 'stop']);
      expect(effects.at(-1)).toMatchObject({ isFailure: true, reason: /no good/ });
      if (!isFull) expect(effects[0]).toMatchObject({ metadata: { mayLackWrites: true } });
      expect(core.endTurn()).toEqual([]);
    }
  });
});

describe('marking ahead', () => {
  test('spares a sequential writer all but one save in 64 MiB', () => {
    const core = cold();
    let saves = 0;
    for (let extent = 0; extent < 64; extent += 1) {
      core.send(1, ...write(extent, extent + 1));
      saves += core.settle().filter(({ kind }) => kind === 'save').length;
    }
    expect(saves).toBe(1 + Math.ceil(63 / 16));
  });

  test('stops at the end of the volume, and does not happen for a writer that jumps', () => {
    const core = new CoreHarness({ sizeBytes: 5 * E + 4096 });
    core.hello(1);
    core.send(1, ...write(3));
    expect(savedBits(core.endTurn())).toEqual([3]);
    core.saved();
    core.send(1, ...write(4));
    expect(savedBits(core.endTurn())).toEqual([3, 4, 5]);
  });
});

test('a trim across many extents, waits once for all of their bits', () => {
  const core = cold();
  core.send(1, OPCODE.TRIM, { offset: E / 2, length: 9 * E });
  expect(savedBits(core.endTurn())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(kinds(core.saved())).toEqual(['trim']);
});
