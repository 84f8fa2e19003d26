import type { VolumeOperation, VolumeOutcome } from '../../controller/volume/operation.ts';
import type { RequestHandle } from '../../controller/volume/step.ts';
import type { Checks } from './checks.ts';
import { type BlockRange, bytesOf, encodeStamp, makeData, ZERO } from './content.ts';
import type { SimController } from './controller.ts';
import type { Done, Oracle, WriteHandle } from './oracle.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** Twice the hold and an operation that times out, with room for clocks that run slow. */
const ANSWER_MS = 2_500;

/** For the oracle the attribute is one more block. */
const ATTRIBUTE: BlockRange = { first: -1, count: 1 };

/** One operation on its way or done. */
export interface Running {
  readonly controller: SimController;
  readonly operation: VolumeOperation;
  request: RequestHandle;
  outcome: VolumeOutcome | undefined;
  /** Of a write or trim. */
  readonly write: WriteHandle | undefined;
}

/** What initiators ask of the volume: sent to a controller, and told to the oracle. */
export class Operations {
  /** For a workload that goes on when an operation is done. */
  onDone: ((running: Running) => void) | undefined;
  count = 0;
  readonly #scheduler: Scheduler;
  readonly #oracle: Oracle;
  readonly #checks: Checks;
  readonly #trace: Trace;
  /** The last time that a controller said so. */
  #loss = { tick: 0, epoch: 0 };
  /** Writes that no one knows the end of, by their controller. */
  readonly #open = new Map<SimController, Set<WriteHandle>>();
  /** When the first controller with a newer epoch served. */
  readonly #supersededTicks = new Map<SimController, number>();

  constructor(parts: { scheduler: Scheduler; oracle: Oracle; checks: Checks; trace: Trace }) {
    this.#scheduler = parts.scheduler;
    this.#oracle = parts.oracle;
    this.#checks = parts.checks;
    this.#trace = parts.trace;
  }

  write(
    controller: SimController,
    range: BlockRange,
    { fua = false, isAtomic = false } = {},
  ): Running {
    const stamp = this.#oracle.nextStamp();
    const data = makeData(stamp, range.count);
    const { offset } = bytesOf(range);
    const operation = { kind: 'write', offset, data, fua, isAtomic } as const;
    const write = this.#oracle.beginWrite(stamp, range, { isFua: fua, isAtomic });
    return this.#change(controller, operation, write);
  }

  trim(controller: SimController, range: BlockRange): Running {
    const operation = { kind: 'trim', ...bytesOf(range) } as const;
    return this.#change(controller, operation, this.#oracle.beginWrite(ZERO, range));
  }

  read(controller: SimController, range: BlockRange): Running {
    const start = this.#oracle.tick();
    const operation = { kind: 'read', ...bytesOf(range) } as const;
    return this.#submit({ controller, operation, write: undefined }, (outcome) => {
      if (!outcome.ok || outcome.data === undefined) return;
      this.#oracle.endRead(start, range.first, outcome.data);
      const superseded = this.#supersededTicks.get(controller);
      if (superseded !== undefined && superseded < start) {
        this.#checks.fail('I7', `${controller.instanceId} read after its successor served`);
      }
    });
  }

  /** A new attribute; with FUA, as the copies have it durably before they answer. */
  store(controller: SimController): Running {
    const stamp = this.#oracle.nextStamp();
    const write = this.#oracle.beginWrite(stamp, ATTRIBUTE, { isFua: true });
    const operation = { kind: 'store', data: encodeStamp(stamp, 1) } as const;
    return this.#change(controller, operation, write, () => undefined);
  }

  load(controller: SimController): Running {
    const start = this.#oracle.tick();
    const operation = { kind: 'load' } as const;
    return this.#submit({ controller, operation, write: undefined }, (outcome) => {
      if (!outcome.ok || outcome.data === undefined) return;
      const data = outcome.data.length === 0 ? encodeStamp(ZERO, 1) : outcome.data;
      this.#oracle.endRead(start, ATTRIBUTE.first, data);
    });
  }

  flush(controller: SimController): Running {
    const start = this.#oracle.tick();
    const operation = { kind: 'flush' } as const;
    return this.#submit({ controller, operation, write: undefined }, (outcome) => {
      if (outcome.ok) this.#checks.flushed(this.#oracle.endFlush(start));
    });
  }

  /** What was cancelled before it was sent completes at once and must never be seen (I15). */
  cancel(running: Running): void {
    running.controller.cancel(running.request, () => running.write?.forbid());
  }

  /** Nothing that older controllers still have under way can happen from now on. */
  supersede(older: readonly SimController[]): void {
    const tick = this.#oracle.tick();
    for (const controller of older) {
      if (this.#supersededTicks.has(controller)) continue;
      this.#supersededTicks.set(controller, tick);
      for (const write of this.#open.get(controller) ?? []) write.supersede(tick);
      this.#open.delete(controller);
    }
  }

  /** A controller said that writes may be lost: those that it had under way, and all before. */
  losePower(controller: SimController): void {
    this.#oracle.losePower();
    this.#loss = { tick: this.#oracle.tick(), epoch: controller.volume.epoch };
  }

  /**
   * A controller that was replaced acknowledges what it had done before its successor said that it may
   * be lost: true when it was done, and worth nothing now.
   */
  #isOutdated(controller: SimController, write: WriteHandle): boolean {
    return write.start < this.#loss.tick && controller.volume.epoch < this.#loss.epoch;
  }

  #change(
    controller: SimController,
    operation: VolumeOperation,
    write: WriteHandle,
    onWritten = (done: Done) => this.#checks.written(done),
  ): Running {
    const superseded = this.#supersededTicks.get(controller);
    if (superseded !== undefined) write.supersede(superseded);
    else this.#openOf(controller).add(write);
    return this.#submit({ controller, operation, write }, (outcome) => {
      if (!outcome.ok || this.#isOutdated(controller, write)) return;
      this.#openOf(controller).delete(write);
      onWritten(write.acknowledge());
    });
  }

  #openOf(controller: SimController): Set<WriteHandle> {
    const open = this.#open.get(controller) ?? new Set();
    this.#open.set(controller, open);
    return open;
  }

  #submit(
    facts: Pick<Running, 'controller' | 'operation' | 'write'>,
    done: (outcome: VolumeOutcome) => void,
  ): Running {
    this.count += 1;
    const { count: number } = this;
    const { controller, operation } = facts;
    this.#trace.submitted(controller.instanceId, number, operation);
    const running: Running = { ...facts, outcome: undefined, request: {} };
    running.request = controller.submit(operation, (outcome) => {
      this.#trace.completed(controller.instanceId, number, outcome);
      running.outcome = outcome;
      done(outcome);
      this.onDone?.(running);
    });
    this.#expectAnAnswer(running, number);
    return running;
  }

  /** Whatever happens, a controller that runs answers in bounded time (design section 6). */
  #expectAnAnswer(running: Running, number: number): void {
    const { controller } = running;
    const { pauseCount } = controller.process;
    this.#scheduler.after(ANSWER_MS, () => {
      const { process, isAlive, hasStarted, instanceId } = controller;
      if (running.outcome !== undefined || !isAlive || !hasStarted) return;
      if (process.isPaused || process.pauseCount !== pauseCount) return;
      this.#checks.fail('section 6', `${instanceId} left operation ${number} without an answer`);
    });
  }
}
