import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import {
  type Facts,
  MAX_STEPS,
  nextAttachStep,
  nextDetachStep,
  type Step,
} from './core/attach-plan.ts';
import { DEFAULT_FILE_SYSTEM, type FileSystem } from './core/contents.ts';

/** A volume as the host's kernel knows it. */
export interface Place {
  readonly targetName: string;
  /** `host:port` */
  readonly portal: string;
  /** Of its disk: the volume's id. */
  readonly serial: string;
  readonly mountPath: string;
}

export interface Wish extends Place {
  readonly fileSystem: FileSystem;
  readonly servedBytes: number;
  /** What this host proves at the login. */
  readonly chap: ChapCredentials | null;
  /** Sessions beside `own`; null when the controller does not say. */
  readonly others: (own: number) => Promise<number | null>;
}

export interface Claimed {
  /** This host held the volume already, and so nobody else has written meanwhile. */
  readonly wasOurs: boolean;
}

export type OtherStep = Exclude<Step, 'log-in' | 'reserve'>;

/**
 * When to read what lies on the disk. Without the reservation another host may be writing; a disk whose
 * portal is away makes the reader wait, and who only wants to leave needs to know nothing of it.
 */
export type Look = 'never' | 'if-mounted' | 'always';

/** The door to the host: its initiator, its disks, its mounts. */
export interface Host {
  /** Errors: FAILED_PRECONDITION, saying what to install, where volumes cannot be mounted. */
  requireReady(): Promise<void>;
  observe(place: Place, look: Look): Promise<Facts>;
  /** Whether anything but the driver has it mounted, such as a container. */
  isMountedElsewhere(place: Place): Promise<boolean>;
  logIn(wish: Wish): Promise<void>;
  reserve(wish: Wish): Promise<Claimed>;
  perform(step: OtherStep, place: Place, type: FileSystem): Promise<void>;
}

/** The one fact that is remembered between steps, durably. */
export interface Formatting {
  get(): boolean;
  set(isFormatting: boolean): Promise<void>;
}

/** Errors: what the plan and the steps throw; then some steps are done, and `detach` undoes them. */
export async function attach(host: Host, wish: Wish, formatting: Formatting): Promise<void> {
  const done = new Set<Step>();
  for (let turn = 0; turn < MAX_STEPS; turn += 1) {
    const facts = await host.observe(wish, done.has('reserve') ? 'always' : 'if-mounted');
    const isFormatting = formatting.get();
    const step = nextAttachStep(facts, { done, isFormatting, servedBytes: wish.servedBytes });
    if (step === undefined) return;
    await takeStep(step, { host, wish, formatting, facts });
    done.add(step);
  }
  throw leadsNowhere();
}

/** Errors: as `attach`; then it can be called again at any time. */
export async function detach(host: Host, place: Place, formatting: Formatting): Promise<void> {
  const done = new Set<Step>();
  for (let turn = 0; turn < MAX_STEPS; turn += 1) {
    const facts = await host.observe(place, 'never');
    const isFormatting = formatting.get();
    const step = nextDetachStep(facts, { done, isFormatting, servedBytes: 0 });
    if (step === undefined) return;
    await host.perform(step, place, DEFAULT_FILE_SYSTEM);
    if (step === 'wipe') await formatting.set(false);
    done.add(step);
  }
  throw leadsNowhere();
}

interface Scene {
  readonly host: Host;
  readonly wish: Wish;
  readonly formatting: Formatting;
  readonly facts: Facts;
}

async function takeStep(step: Step, { host, wish, formatting, facts }: Scene): Promise<void> {
  switch (step) {
    case 'log-in':
      return host.logIn(wish);
    case 'reserve': {
      const { wasOurs } = await host.reserve(wish);
      if (!wasOurs && formatting.get()) await formatting.set(false);
      return;
    }
    case 'format':
      await formatting.set(true);
      return host.perform(step, wish, wish.fileSystem);
    case 'empty':
      await host.perform(step, wish, wish.fileSystem);
      return formatting.set(false);
    default: {
      const { content } = facts;
      const found = content?.kind === 'file-system' ? content.type : wish.fileSystem;
      return host.perform(step, wish, found);
    }
  }
}

function leadsNowhere(): KeelsonError {
  return new KeelsonError(
    'IO_FAILED',
    `after ${MAX_STEPS} steps it is still not done, since something undoes them; the log says which`,
  );
}
