import { EXTENT_BYTES, REGION_BYTES } from '../../../../replica/common/limits.ts';
import { Replica } from '../../../../replica/core/replica.ts';
import type { ReplicaEffect, ReplicaEvent } from '../../../../replica/core/step.ts';
import { FLAG, OPCODE, STATUS } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import { regionsOf, STAMP } from '../../../../replica/protocol/stamps.ts';
import { HotExtents, hotFileBytes } from '../../../../replica/store/hot-extents.ts';
import type { Metadata } from '../../../../replica/store/metadata-record.ts';
import { RegionMap, regionFileBytes } from '../../../../replica/store/region-map.ts';
import { frameOf, HELLO, METADATA, NO_JOURNAL } from '../support/core-harness.ts';
import { CrashDisk } from '../support/crash-disk.ts';
import { seededRandom } from '../support/random.ts';

const EXTENT_COUNT = 24;
const SIZE = EXTENT_COUNT * EXTENT_BYTES;
const REGION_COUNT = SIZE / REGION_BYTES;
const STEPS = 400;
const EXTENT_REGIONS = EXTENT_BYTES / REGION_BYTES;

interface Reopened {
  readonly replica: Replica;
  readonly regions: RegionMap;
  readonly hot: HotExtents;
}

/** What a process finds that starts on this disk. */
function open(disk: CrashDisk, metadata: Metadata, bootId: string): Reopened {
  const regions = new RegionMap(SIZE);
  regions.load(0, disk.read('regions'));
  const hot = new HotExtents(SIZE);
  hot.load(disk.read('hot'));
  return {
    regions,
    hot,
    replica: new Replica({ metadata, regions, hot, bootId, journal: NO_JOURNAL }),
  };
}

/** A replica on a disk that knows what is durable, under a controller that does anything. */
class World {
  readonly disk = new CrashDisk(
    { regions: regionFileBytes(SIZE), hot: hotFileBytes(SIZE) },
    REGION_COUNT,
  );
  metadata: Metadata = { ...METADATA, sizeBytes: SIZE };
  readonly copy = open(this.disk, this.metadata, 'boot');
  readonly #random: () => number;
  /** Called before each effect: the process may end here. */
  readonly #beforeEffect: (world: World) => void;
  /** What is under way on the disk; called when it is over. */
  #sync: (() => void) | undefined;
  #save: (() => void) | undefined;
  #connection = 0;
  #epoch = 10;
  #seq = 0;
  #generation = 1;

  constructor(seed: number, beforeEffect: (world: World) => void) {
    this.#random = seededRandom(seed);
    this.#beforeEffect = beforeEffect;
  }

  run(steps: number): void {
    this.#hello();
    for (let step = 0; step < steps; step += 1) this.#anything();
  }

  #anything(): void {
    const chance = this.#random();
    if (chance < 0.45) this.#send(this.#change());
    else if (chance < 0.5) this.#send(frameOf(OPCODE.FLUSH));
    else if (chance < 0.55) this.#send(frameOf(OPCODE.CHECKPOINT));
    else if (chance < 0.7) this.#beat(this.#random() < 0.3 ? 6 : 1);
    else if (chance < 0.72) this.#generation += 1;
    else if (chance < 0.74) this.#hello();
    else if (chance < 0.75) this.#send(frameOf(OPCODE.GOODBYE));
    else this.#finishOne();
  }

  /** In extents that are few, so that they cool down and become hot again. */
  #change(): Frame {
    const opcode = [OPCODE.WRITE, OPCODE.TRIM, OPCODE.MARK][Math.floor(this.#random() * 3)]!;
    const extent = Math.floor(this.#random() * 3) * 7;
    const region = extent * EXTENT_REGIONS + Math.floor(this.#random() * 70);
    const isAssigned = this.#random() < 0.3;
    return frameOf(opcode, {
      offset: region * REGION_BYTES,
      length: isAssigned ? REGION_BYTES : 4096,
      flags: isAssigned ? FLAG.ASSIGN : 0,
      generation: isAssigned ? 1 + Math.floor(this.#random() * this.#generation) : this.#generation,
    });
  }

  #send(frame: Frame): void {
    this.#seq += 1;
    const stableSeq = Math.max(0, this.#seq - Math.floor(this.#random() * 6));
    this.#turn({
      ...{ kind: 'frame', connection: this.#connection, nowMs: 0 },
      frame: { ...frame, seq: this.#seq, stableSeq },
    });
  }

  #beat(count: number): void {
    for (let beat = 0; beat < count; beat += 1) this.#send(frameOf(OPCODE.HEARTBEAT));
  }

  #hello(): void {
    this.#connection += 1;
    this.#epoch += 1;
    const hello = { ...HELLO, epoch: this.#epoch, instanceId: `i${this.#epoch}` };
    this.#turn({ kind: 'hello', connection: this.#connection, hello, nowMs: 0 });
  }

  #finishOne(): void {
    if (this.#sync !== undefined && (this.#save === undefined || this.#random() < 0.5)) {
      this.#sync();
      this.#sync = undefined;
      this.#turn({ kind: 'synced', failure: undefined });
    } else if (this.#save !== undefined) {
      this.#save();
      this.#save = undefined;
      this.#turn({ kind: 'saved', failure: undefined });
    }
  }

  #turn(event: ReplicaEvent): void {
    for (const each of [event, { kind: 'turn-ended' } as const]) {
      const effects: ReplicaEffect[] = [];
      this.copy.replica.step(each, effects);
      for (let index = 0; index < effects.length; index += 1) {
        this.#carryOut(effects[index]!, effects);
      }
    }
  }

  #carryOut(effect: ReplicaEffect, effects: ReplicaEffect[]): void {
    this.#beforeEffect(this);
    switch (effect.kind) {
      case 'persist':
        this.metadata = effect.metadata;
        return;
      case 'fdatasync':
        this.#sync = this.disk.beginDataSync();
        return;
      case 'save': {
        const { file, pages } = effect;
        if (file === 'journal') throw new Error('nothing here is written down first');
        // Of a save under way any part may be there when the process ends.
        const isWritten = pages.map(() => this.#random() < 0.5);
        const write = (which: boolean) => {
          for (const [index, { bytes, offset }] of pages.entries()) {
            if (isWritten[index] === which) this.disk.write(file, bytes, offset);
          }
        };
        write(true);
        this.#save = () => {
          write(false);
          this.disk.sync(file);
        };
        return;
      }
      case 'write':
      case 'trim': {
        const { connection, frame } = effect;
        const { first, end } = regionsOf(frame.offset, frame.offset + frame.length);
        for (let region = first; region < end; region += 1) this.disk.change(region, frame.seq);
        this.copy.replica.step({ kind: 'executed', connection, frame, status: STATUS.OK }, effects);
      }
    }
  }
}

/** Regions whose stamp after the restart claims less than what was true before the crash. */
function understated(before: World, after: Reopened): string[] {
  const stamps = before.copy.regions.stampsOf(0, SIZE);
  return after.regions.stampsOf(0, SIZE).flatMap((stamp, region) => {
    return stamp < stamps[region]! ? [`region ${region}: ${stamps[region]} became ${stamp}`] : [];
  });
}

/** Regions whose bytes changed by the crash although nothing says that they may have. */
function lostUnseen(before: World, disk: CrashDisk, after: Reopened): string[] {
  const isCovered = (region: number) =>
    after.regions.newest(region * REGION_BYTES, (region + 1) * REGION_BYTES) === STAMP.UNKNOWN &&
    after.hot.isHot(Math.floor(region / EXTENT_REGIONS)) &&
    after.replica.status.restart === 'may-lack-writes';
  const { data } = before.disk;
  return disk.data.flatMap((content, region) => {
    return content === data[region] || isCovered(region) ? [] : [`region ${region}: lost`];
  });
}

function report(wrong: readonly string[], crashes: number): void {
  if (wrong.length > 0) throw new Error(`after crash ${crashes}: ${wrong.join('; ')}`);
}

const SEEDS = Array.from({ length: 5 }, (_, index) => index + 1);

test.each(SEEDS)(
  'stamps never claim less than is there, whenever the process is killed (seed %i)',
  (seed) => {
    let crashes = 0;
    const world = new World(seed, (before) => {
      const after = open(before.disk, before.metadata, 'boot');
      report(understated(before, after), crashes);
      crashes += 1;
    });
    world.run(STEPS);
    expect(crashes).toBeGreaterThan(STEPS / 2);
  },
);

test.each(SEEDS)(
  'what a power loss takes is where the copy says that it may lack writes (seed %i)',
  (seed) => {
    let crashes = 0;
    const random = seededRandom(seed + 1000);
    const world = new World(seed, (before) => {
      const disk = before.disk.clone();
      disk.losePower(random);
      const after = open(disk, before.metadata, 'next boot');
      const wrong = [...lostUnseen(before, disk, after), ...understated(before, after)];
      report(wrong, crashes);
      crashes += 1;
    });
    world.run(STEPS);
    expect(crashes).toBeGreaterThan(STEPS / 2);
  },
);
