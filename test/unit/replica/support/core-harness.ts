import { EXTENT_BYTES } from '../../../../replica/common/limits.ts';
import { Replica } from '../../../../replica/core/replica.ts';
import type { ReplicaEffect, ReplicaEvent } from '../../../../replica/core/step.ts';
import {
  OPCODE,
  type Opcode,
  STATUS,
  type Status,
} from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import type { Hello, Welcome } from '../../../../replica/protocol/hello.ts';
import { HotExtents } from '../../../../replica/store/hot-extents.ts';
import {
  JOURNAL_BYTES,
  type JournalContent,
  readJournal,
} from '../../../../replica/store/journal-content.ts';
import type { Metadata } from '../../../../replica/store/metadata-record.ts';
import { RegionMap } from '../../../../replica/store/region-map.ts';

export const E = EXTENT_BYTES;
export const GENERATION = 3;

export const METADATA: Metadata = {
  ...{ volumeId: 'v1', replicaId: 'r1', dataId: 'd1', sizeBytes: 600 * E, epoch: 5 },
  ...{ instanceId: 'i5', session: 7, bootId: 'boot', mayLackWrites: false, leaseHolders: [] },
  ...{ isPristine: false, attribute: '', journalKept: 0 },
};
export const HELLO: Hello = {
  ...{ protocolVersion: 4, volumeId: 'v1', replicaId: 'r1', dataId: 'd1', session: 7 },
  ...{ epoch: 6, instanceId: 'i6', nonce: 'n' },
};

/** What a process finds that never wrote anything down. */
export const NO_JOURNAL: JournalContent = readJournal(
  Buffer.alloc(JOURNAL_BYTES),
  METADATA,
  'boot',
);

const CHANGES: readonly Opcode[] = [OPCODE.WRITE, OPCODE.TRIM, OPCODE.MARK];

/** A request; one for a range means 4096 bytes at 0 unless told otherwise. */
export function frameOf(opcode: Opcode, fields: Partial<Frame> = {}): Frame {
  const hasRange = CHANGES.includes(opcode) || opcode === OPCODE.READ;
  const length = fields.length ?? (hasRange ? 4096 : 0);
  const payload = Buffer.alloc(opcode === OPCODE.WRITE ? length : 0, 1);
  const generation = CHANGES.includes(opcode) ? GENERATION : 0;
  return {
    ...{ opcode, flags: 0, status: 0, seq: 1, stableSeq: 0, offset: 0, length, generation },
    ...{ payload, ...fields },
  };
}

/** A core whose driver is the test: it gets the effects of each event and says what became of them. */
export class CoreHarness {
  readonly replica: Replica;
  readonly regions: RegionMap;
  nowMs = 0;

  constructor(change: Partial<Metadata> = {}, hotExtents: readonly number[] = [], bootId = 'boot') {
    const metadata = { ...METADATA, ...change };
    this.regions = new RegionMap(metadata.sizeBytes);
    const hot = new HotExtents(metadata.sizeBytes);
    for (const extent of hotExtents) hot.set(extent);
    hot.takeDirtySectors(); // as loaded from the file
    this.replica = new Replica({
      ...{ metadata, bootId, hot, regions: this.regions, journal: NO_JOURNAL },
    });
  }

  step(event: ReplicaEvent): ReplicaEffect[] {
    const effects: ReplicaEffect[] = [];
    this.replica.step(event, effects);
    return effects;
  }

  hello(connection: number, fields: Partial<Hello> = {}): ReplicaEffect[] {
    const hello = { ...HELLO, ...fields };
    return this.step({ kind: 'hello', connection, hello, nowMs: this.nowMs });
  }

  welcome(connection: number, fields: Partial<Hello> = {}): Welcome {
    const last = this.hello(connection, fields).at(-1);
    if (last?.kind !== 'welcome') throw new Error(`expected a welcome, got ${last?.kind}`);
    return last.welcome;
  }

  send(connection: number, opcode: Opcode, fields: Partial<Frame> = {}): ReplicaEffect[] {
    return this.sendFrame(frameOf(opcode, fields), connection);
  }

  sendFrame(frame: Frame, connection = 1): ReplicaEffect[] {
    return this.step({ kind: 'frame', connection, frame, nowMs: this.nowMs });
  }

  executed(frame: Frame, status: Status = STATUS.OK): ReplicaEffect[] {
    return this.step({ kind: 'executed', connection: 1, frame, status });
  }

  endTurn(): ReplicaEffect[] {
    return this.step({ kind: 'turn-ended' });
  }

  synced(failure?: string): ReplicaEffect[] {
    return this.step({ kind: 'synced', failure });
  }

  saved(failure?: string, isFull = false): ReplicaEffect[] {
    return this.step({ kind: 'saved', failure, isFull });
  }

  /** Lets every fdatasync and save succeed, turn by turn; returns all that was asked for meanwhile. */
  settle(): ReplicaEffect[] {
    const all: ReplicaEffect[] = [];
    for (let round = 0; round < 50; round += 1) {
      const effects = this.endTurn();
      all.push(...effects);
      const started = effects.filter(({ kind }) => kind === 'fdatasync' || kind === 'save');
      if (started.length === 0 && round > 0) return all;
      for (const { kind } of started) {
        all.push(...(kind === 'save' ? this.saved() : this.synced()));
      }
    }
    throw new Error('this never comes to rest');
  }

  /** A connected replica that was written to in these extents, and that did all it started. */
  static withHot(...extents: readonly number[]): CoreHarness {
    const core = new CoreHarness();
    core.hello(1);
    for (const extent of extents) core.send(1, OPCODE.WRITE, { offset: extent * E });
    core.settle();
    return core;
  }
}

export const kinds = (effects: readonly ReplicaEffect[]) => effects.map(({ kind }) => kind);

/** The effects as short words, for comparing their order: `save hot`, `reply 49`, `write`. */
export const words = (effects: readonly ReplicaEffect[]) =>
  effects.map((effect) => {
    if (effect.kind === 'save') return `save ${effect.file}`;
    return effect.kind === 'reply' ? `reply ${effect.opcode}` : effect.kind;
  });

export const replyTo = (opcode: Opcode, seq = 1, status: Status = STATUS.OK) => ({
  ...{ kind: 'reply', connection: 1, opcode, seq, status },
});

/** The extents whose bits a save sets, of those that the first sector holds. */
export function savedBits(effects: readonly ReplicaEffect[]): number[] {
  const save = effects.find((effect) => effect.kind === 'save' && effect.file === 'hot');
  if (save?.kind !== 'save') throw new Error('expected a save of the hot extents');
  const { bytes } = save.pages[0]!;
  return Array.from({ length: 4064 }, (_, extent) => extent).filter(
    (extent) => (bytes[4 + (extent >> 3)]! & (1 << (extent % 8))) !== 0,
  );
}
