import { closeSync, openSync, readSync } from 'node:fs';

const STEP_BYTES = 1024 ** 2;

/** The first offset at which two files of the same length differ. */
export function firstDifference(
  one: string,
  other: string,
  lengthBytes: number,
): number | undefined {
  const files = [openSync(one, 'r'), openSync(other, 'r')];
  const buffers = files.map(() => Buffer.alloc(STEP_BYTES));
  try {
    for (let offset = 0; offset < lengthBytes; offset += STEP_BYTES) {
      const [left, right] = files.map((file, index) => {
        const buffer = buffers[index] as Buffer;
        return buffer.subarray(0, readSync(file, buffer, 0, STEP_BYTES, offset));
      }) as [Buffer, Buffer];
      if (left.equals(right)) continue;
      const at = left.findIndex((byte, index) => byte !== right[index]);
      return offset + (at < 0 ? left.length : at);
    }
    return undefined;
  } finally {
    for (const file of files) closeSync(file);
  }
}
