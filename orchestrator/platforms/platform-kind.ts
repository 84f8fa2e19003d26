import type { Log } from '../../replica/common/log.ts';
import type { ApiToken } from '../api/access.ts';
import type { Installation } from '../installation/installation.ts';
import type { Registry } from '../registry/registry.ts';
import type { Platform, ProcessChange } from './platform.ts';

/** What a platform stands on. */
export interface Ground {
  readonly registry: Registry;
  readonly api: RegistryDoors;
  readonly log: Log;
  readonly onChange: (change: ProcessChange) => void;
}

/** Where controllers find the registry. */
export interface RegistryDoors {
  /** From this machine. */
  readonly url: string;
  readonly port: number;
  /** Serves the registry, and nothing else, on another address of this machine as well. */
  openDoor(host: string): Promise<void>;
  closeDoor(host: string): void;
}

/** What an installation is, before anything of it runs. */
export interface Records {
  readonly registry: Registry;
  readonly token: ApiToken;
}

/** Where several orchestrators share a registry, which all of them serve: one of them does the rest. */
export interface Leadership {
  /** Resolves when this one leads; never when it is closed before. */
  readonly gained: Promise<void>;
  readonly isGained: boolean;
  /** Rejects when another one leads instead of this one, which has to end then: FAILED_PRECONDITION. */
  readonly lost: Promise<never>;
  /** The one that leads, as people know it; undefined while nobody does. */
  readonly leader: string | undefined;
}

export interface Advice {
  readonly command: string;
  readonly end: string;
}

/** One kind of platform, as an orchestrator starts on it. In this order: */
export interface PlatformKind {
  /** Where everything is kept, as people know it. */
  readonly place: string;
  /** What its operator reads, who looks at its output: how to call the command line, what its end means. */
  readonly advice?: Advice;
  /** A new installation gets the volume default/demo. */
  readonly hasDemo: boolean;
  /** Takes what only one orchestrator may have. Errors: IN_USE, IO_FAILED, FAILED_PRECONDITION. */
  open(): Promise<void>;
  /**
   * Reads what there is, and readies it for use, before anybody is served.
   *
   * Errors: CORRUPT, IO_FAILED, FAILED_PRECONDITION.
   */
  readRecords(): Promise<Records>;
  make(ground: Ground): Platform;
  /** Before controllers are answered: every process that there is has its address. */
  whenAddressed?(): Promise<void>;
  /** After the records are read; undefined: there is no other orchestrator. */
  readonly leadership?: Leadership | undefined;
  /**
   * Looks at what runs, before the first volume is started; only the one that leads.
   *
   * Errors: IN_USE, UNAVAILABLE.
   */
  survey(registry: Registry): Promise<void>;
  /** What else goes on from here on, besides looking after volumes. */
  accompany?(installation: Installation): void;
  /** Ends what `accompany` began, before the installation is closed. */
  dismiss?(): Promise<void>;
  /** At last: gives back what `open` took. */
  close(): Promise<void>;
}
