import { TaskRunner } from '../../../../controller/core/task-runner.ts';
import type { VolumeOperation, VolumeOutcome } from '../../../../controller/volume/operation.ts';
import type { RequestHandle } from '../../../../controller/volume/step.ts';
import { SeededRandom } from '../../../support/random.ts';
import { Fixture, LUN_0, NEXUS } from '../scsi/fixture.ts';

const GOOD = 0x00;
/** Remembers nothing of the commands that are sent here. */
const DEVICE = new Fixture();

/**
 * A device over a volume whose operations take effect one at a time, in whatever order the random
 * numbers say: every interleaving that a volume could show.
 */
class RacingDevice {
  readonly bytes: Buffer = Buffer.alloc(8192);
  readonly statuses = new Map<number, number>();
  readonly #random: SeededRandom;
  readonly #open: { request: RequestHandle; operation: VolumeOperation }[] = [];
  readonly #runner = new TaskRunner({
    submit: (request, operation) => this.#open.push({ request, operation }),
    cancel: (request) => this.#cancel(request),
    done: (task, { status }) => this.statuses.set(task, status),
    release: () => undefined,
  });

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  send(task: number, cdb: string, dataOut: Buffer): void {
    const bytes = Buffer.alloc(16);
    bytes.write(cdb.replaceAll(' ', ''), 'hex');
    const course = DEVICE.device.execute({ nexus: NEXUS, lun: LUN_0, cdb: bytes, dataOut });
    this.#runner.run(task, bytes, DEVICE.plan(course));
  }

  abort(task: number): void {
    this.#runner.cancel(task);
  }

  /** Carries out one of the open operations; false when there is none. */
  step(): boolean {
    const [entry] = this.#open.splice(this.#random.below(this.#open.length || 1), 1);
    if (entry === undefined) return false;
    this.#runner.completed(entry.request, this.#carryOut(entry.operation));
    return true;
  }

  finish(): void {
    while (this.step());
  }

  #carryOut(operation: VolumeOperation): VolumeOutcome {
    if (operation.kind === 'write') operation.data.copy(this.bytes, operation.offset);
    if (operation.kind !== 'read') return { ok: true };
    const { offset, length } = operation;
    return { ok: true, data: Buffer.from(this.bytes.subarray(offset, offset + length)) };
  }

  #cancel(request: RequestHandle): void {
    const at = this.#open.findIndex((entry) => entry.request === request);
    this.#open.splice(at, 1);
    this.#runner.completed(request, { ok: false, reason: 'NOT_READY' });
  }
}

const COMPARE_AND_WRITE = '8900 0000000000000000 00000001 0000';
const ORWRITE = '8b00 0000000000000000 00000001 0000';
const WRITE = '8a00 0000000000000000 00000001 0000';
const exchange = (expected: number, replacement: number) =>
  Buffer.concat([Buffer.alloc(512, expected), Buffer.alloc(512, replacement)]);

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('commands that read before they write, seed %i', (seed) => {
  test('of COMPARE AND WRITEs that expect the same block, exactly one wins', () => {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 50; round += 1) {
      const racing = new RacingDevice(random);
      for (let task = 1; task <= 6; task += 1) {
        racing.send(task, COMPARE_AND_WRITE, exchange(0, task));
        if (random.chance(0.5)) racing.step();
      }
      racing.finish();
      const winners = [...racing.statuses].filter(([, status]) => status === GOOD);
      expect([racing.statuses.size, winners.length]).toEqual([6, 1]);
      expect(racing.bytes[0]).toBe(winners[0]?.[0]);
    }
  });

  test('a counter that is raised by COMPARE AND WRITE loses none, whatever is aborted', () => {
    const random = new SeededRandom(seed);
    const racing = new RacingDevice(random);
    let raised = 0;
    for (let task = 1; task <= 150; task += 2) {
      const value = racing.bytes[0] as number;
      racing.send(task, COMPARE_AND_WRITE, exchange(value, value + 1));
      racing.send(task + 1, COMPARE_AND_WRITE, exchange(value, value + 1));
      if (random.chance(0.3)) racing.step();
      if (random.chance(0.3)) racing.abort(task + random.below(2));
      racing.finish();
      const wins = [task, task + 1].filter((id) => racing.statuses.get(id) === GOOD).length;
      expect(wins).toBeLessThanOrEqual(1);
      raised += wins;
      expect(racing.bytes[0]).toBe(raised);
    }
    expect(raised).toBeGreaterThan(40);
  });

  test('ORWRITEs at the same time keep all their bits', () => {
    const racing = new RacingDevice(new SeededRandom(seed));
    for (let bit = 0; bit < 8; bit += 1) racing.send(bit + 1, ORWRITE, Buffer.alloc(512, 1 << bit));
    racing.finish();
    expect(racing.bytes.subarray(0, 512).equals(Buffer.alloc(512, 0xff))).toBe(true);
  });

  test('a write is before or behind a COMPARE AND WRITE, never in between', () => {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 50; round += 1) {
      const racing = new RacingDevice(random);
      racing.send(1, COMPARE_AND_WRITE, exchange(0, 1));
      if (random.chance(0.3)) racing.step();
      racing.send(2, WRITE, Buffer.alloc(512, 2));
      racing.finish();
      // It came behind: whether the exchange won or not, its bytes are the last.
      expect([racing.bytes[0], racing.statuses.get(1)]).toEqual([2, GOOD]);
    }
  });
});
