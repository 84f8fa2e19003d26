/** Where a command line was typed, and who sees what comes of it. */
export interface Terminal {
  /** What was asked for: standard output. */
  readonly out: Channel;
  /** What happens meanwhile: standard error. */
  readonly notes: Channel;
  /** Ends a watch, and every wait. */
  readonly signal: AbortSignal;
  /** All of standard input. Errors: IO_FAILED. */
  readInput(): Promise<string>;
}

export interface Channel {
  write(text: string): void;
  /** Lines can be drawn again. */
  readonly isInteractive: boolean;
  /** How many characters a terminal shows in one row. It may change. */
  readonly columns?: number | undefined;
}
