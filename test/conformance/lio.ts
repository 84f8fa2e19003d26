import { readFileSync } from 'node:fs';
import type { Column, Counts } from './table.ts';

/** Written by record-lio.ts. */
export const LIO_RECORD = 'test/conformance/lio.json';

/** What LIO, the target of the Linux kernel, once reached with the same suite. */
export function readLio(): Column {
  const record = JSON.parse(readFileSync(LIO_RECORD, 'utf8')) as Record<string, Counts>;
  return { name: 'LIO (recorded)', bySuite: new Map(Object.entries(record)) };
}
