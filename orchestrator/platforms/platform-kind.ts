import type { Log } from '../../replica/common/log.ts';
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

/** One kind of platform, as an orchestrator starts on it. */
export interface PlatformKind {
  /** Of a new installation. */
  readonly defaultNodes: readonly string[];
  /** As they are to be from now on; undefined: as last time. */
  readonly nodes: readonly string[] | undefined;
  /** What people are told of it: how they call the command line, and what its end means. */
  readonly advice: { readonly command: string; readonly end: string };
  /** A new installation gets the volume default/demo. */
  readonly hasDemo: boolean;
  /** Before anybody can change the registry. Errors: IO_FAILED. */
  prepare(registry: Registry): Promise<void>;
  make(ground: Ground): Platform;
  /**
   * Looks at what there is, before the first volume is started.
   *
   * Errors: IN_USE, UNAVAILABLE.
   */
  survey(registry: Registry): Promise<void>;
}
