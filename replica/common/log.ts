import winston from 'winston';

/** Constant message plus fields; one line per state transition. Per-I/O facts are metrics. */
export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** JSON lines on standard error, so that standard output stays free for what was asked for. */
export function makeLog(identity: Readonly<Record<string, unknown>>): Log {
  return winston.createLogger({
    level: 'info',
    defaultMeta: identity,
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.Console({ stderrLevels: ['error', 'warn', 'info'] })],
  });
}
