import { KeelsonError } from '../../replica/common/errors.ts';
import { BLOCK_BYTES, MAX_VOLUME_BYTES } from '../../replica/common/limits.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export const DEFAULT_VOLUME_BYTES = GIB;

/** Room for a file system; smaller volumes are typing mistakes. */
export const MIN_VOLUME_BYTES = MIB;

/** A bare number means GiB (requirements N8); the rest are the quantities of Kubernetes. */
const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': GIB,
  Ki: 1024,
  Mi: MIB,
  Gi: GIB,
  Ti: 1024 * GIB,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};

/** How people write a size. */
export const SIZE = /^(\d{1,15}(?:\.\d{1,9})?)(Ki|Mi|Gi|Ti|k|M|G|T|)$/;

/**
 * A volume size as people write it: `15`, `15Gi`, `1.5Ti`, `512M`.
 *
 * Units: bytes, whole blocks.
 * Errors: INVALID_ARGUMENT when it is no quantity or out of range.
 */
export function parseSize(text: string): number {
  const match = SIZE.exec(text);
  const unitBytes = UNIT_BYTES[match?.[2] ?? 'none'];
  if (match === null || unitBytes === undefined) {
    throw invalid(text, 'expected a number of GiB or a quantity such as 15Gi, 512Mi or 1T');
  }
  // Rounded up to whole blocks: `500M` is no multiple of 4096 bytes, and nobody wants less.
  const sizeBytes = roundUpToBlocks(Number(match[1]) * unitBytes);
  if (sizeBytes < MIN_VOLUME_BYTES || sizeBytes > MAX_VOLUME_BYTES) {
    throw invalid(
      text,
      `expected ${formatSize(MIN_VOLUME_BYTES)} to ${formatSize(MAX_VOLUME_BYTES)}`,
    );
  }
  return sizeBytes;
}

export function roundUpToBlocks(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The size in the largest binary unit that keeps it short: `1GiB`, `1.5GiB`, `976.6KiB`. */
export function formatSize(sizeBytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = sizeBytes;
  let unitIndex = 0;
  while (value >= 1024 && unitIndex < units.length - 1) {
    value /= 1024;
    unitIndex += 1;
  }
  return `${Number(value.toFixed(1))}${units[unitIndex]}`;
}

/** The size exactly, as Kubernetes writes it: `1Gi`, `1536Mi`. `parseSize` reads it back. */
export function formatQuantity(sizeBytes: number): string {
  const units = ['Ti', 'Gi', 'Mi', 'Ki'] as const; // whole blocks are whole Ki
  const unit = units.find((name) => sizeBytes % (UNIT_BYTES[name] ?? 1) === 0) ?? 'Ki';
  return `${sizeBytes / (UNIT_BYTES[unit] ?? 1)}${unit}`;
}

function invalid(text: string, why: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `size ${JSON.stringify(text)}: ${why}`);
}
