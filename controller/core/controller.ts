import type { TargetEffect, TargetEvent, TaskId } from '../iscsi/step.ts';
import type { IscsiTarget } from '../iscsi/target.ts';
import type { DeviceServer } from '../scsi/device-server.ts';
import { type Course, isPrelude } from '../scsi/prelude.ts';
import type { VolumeOperation, VolumeOutcome } from '../volume/operation.ts';
import type { RequestHandle, VolumeEffect, VolumeEvent } from '../volume/step.ts';
import type { Volume } from '../volume/volume.ts';
import { PreludeRequest, Preludes } from './preludes.ts';
import { TaskRunner } from './task-runner.ts';

/** What the driver tells the controller: of its portal, of its copies and of time. */
export type ControllerEvent =
  | {
      readonly side: 'portal';
      readonly event: Exclude<TargetEvent, { kind: 'task-done' | 'abort-tasks' }>;
    }
  | {
      readonly side: 'volume';
      readonly event: Exclude<VolumeEvent, { kind: 'request' | 'cancel' }>;
    };

/** What the driver does for the portal. */
export type PortalEffect = Extract<TargetEffect, { kind: 'send' | 'logged-in' | 'close' }>;
/** What the driver does for the volume. */
export type CopyEffect = Exclude<VolumeEffect, { kind: 'complete' | 'power-lost' | 'resized' }>;

export interface ControllerEffects {
  readonly portal: PortalEffect[];
  readonly volume: CopyEffect[];
}

const MAX_SPENT_EFFECTS = 256;

/**
 * One volume's controller without sockets, files or clock: iSCSI target, device server and volume,
 * each a step machine of its own, and the tasks that run between them.
 *
 *   PDU → IscsiTarget → execute → DeviceServer → plan → TaskRunner → Volume → frames to the copies
 *   PDU ← IscsiTarget ← outcome ←                       TaskRunner ← Volume ← their answers
 */
export class Controller {
  readonly #target: IscsiTarget;
  readonly #device: DeviceServer;
  readonly #volume: Volume;
  readonly #runner: TaskRunner;
  readonly #preludes: Preludes;
  #targetEffects: TargetEffect[] = [];
  #volumeEffects: VolumeEffect[] = [];
  /** Effects before these positions were carried out. */
  #targetDone = 0;
  #volumeDone = 0;
  #nowMs = 0;

  /** @param parts.release takes back the memory that a command, known by its CDB, came in */
  constructor(parts: {
    target: IscsiTarget;
    device: DeviceServer;
    volume: Volume;
    release: (cdb: Buffer) => void;
  }) {
    this.#target = parts.target;
    this.#device = parts.device;
    this.#volume = parts.volume;
    const submit = (request: RequestHandle, operation: VolumeOperation) =>
      this.#volume.step(
        { kind: 'request', request, operation, nowMs: this.#nowMs },
        this.#volumeEffects,
      );
    const cancel = (request: RequestHandle) =>
      this.#volume.step({ kind: 'cancel', request }, this.#volumeEffects);
    this.#preludes = new Preludes({
      submit,
      cancel,
      abortTasks: (task, nexuses) =>
        this.#target.step({ kind: 'abort-tasks', task, nexuses }, this.#targetEffects),
      notice: (message, fields) => this.#volumeEffects.push({ kind: 'notice', message, fields }),
      planned: (task, cdb, plan) => this.#runner.run(task, cdb, plan),
    });
    this.#runner = new TaskRunner({
      submit,
      cancel,
      done: (task, outcome) =>
        this.#target.step(
          { kind: 'task-done', task, outcome, nowMs: this.#nowMs },
          this.#targetEffects,
        ),
      release: parts.release,
    });
  }

  /** Effects gather in `effects`, which the caller empties when it has carried them out. */
  step({ side, event }: ControllerEvent, effects: ControllerEffects): void {
    if ('nowMs' in event) this.#nowMs = event.nowMs;
    if (side === 'portal') this.#target.step(event, this.#targetEffects);
    else this.#volume.step(event, this.#volumeEffects);
    this.#pump(effects);
  }

  /** Carries effects between the machines until only those for the driver are left. */
  #pump(effects: ControllerEffects): void {
    const targetEffects = this.#targetEffects;
    const volumeEffects = this.#volumeEffects;
    while (this.#targetDone < targetEffects.length || this.#volumeDone < volumeEffects.length) {
      while (this.#targetDone < targetEffects.length) {
        this.#carryOutTarget(targetEffects[this.#targetDone++]!, effects);
      }
      while (this.#volumeDone < volumeEffects.length) {
        const effect = volumeEffects[this.#volumeDone++]!;
        if (effect.kind === 'complete') this.#complete(effect.request, effect.outcome);
        else if (effect.kind === 'power-lost') this.#device.powerLost();
        else if (effect.kind === 'resized') this.#device.resize(effect.sizeBytes);
        else effects.volume.push(effect);
      }
    }
    if (this.#targetDone + this.#volumeDone > MAX_SPENT_EFFECTS) this.#dropSpent();
  }

  #complete(request: RequestHandle, outcome: VolumeOutcome): void {
    if (request instanceof PreludeRequest) this.#preludes.completed(request, outcome);
    else this.#runner.completed(request, outcome);
  }

  #execute({ task, cdb }: { task: TaskId; cdb: Buffer }, course: Course): void {
    if (isPrelude(course)) this.#preludes.run(task, cdb, course);
    else this.#runner.run(task, cdb, course);
  }

  /** Emptying a list costs far more than going on behind its end, so it is done now and then. */
  #dropSpent(): void {
    this.#targetEffects = [];
    this.#volumeEffects = [];
    this.#targetDone = 0;
    this.#volumeDone = 0;
  }

  #carryOutTarget(effect: TargetEffect, effects: ControllerEffects): void {
    switch (effect.kind) {
      case 'execute':
        this.#execute(effect, this.#device.execute(effect));
        return;
      case 'cancel':
        if (!this.#preludes.cancel(effect.task)) this.#runner.cancel(effect.task);
        return;
      case 'tasks-aborted':
        this.#preludes.tasksAborted(effect.task, effect.nexuses);
        return;
      case 'nexus-opened':
        this.#device.nexusOpened(effect.nexus, effect.initiator);
        return;
      case 'nexus-closed':
        this.#device.nexusClosed(effect.nexus);
        return;
      case 'logical-unit-reset':
        this.#device.logicalUnitReset();
        return;
      default:
        effects.portal.push(effect);
    }
  }
}
