/** Where a process id means something: one boot of one machine, and a pid namespace on it. */
export interface ProcessSpace {
  readonly bootId: string;
  readonly pidNamespace: string;
}

/** A process as a later orchestrator can still tell it from every other one. */
export interface ProcessIdentity extends ProcessSpace {
  readonly pid: number;
  /** When it began, in clock ticks since the boot: tells it from a later process of the same id. */
  readonly startTicks: number;
}

/** A controller that was started and is not known to have ended. */
export interface StartedInstance {
  /** `namespace/name`. */
  readonly volume: string;
  /** What it calls itself in the membership record. */
  readonly instanceId: string;
  readonly process: ProcessIdentity;
}
