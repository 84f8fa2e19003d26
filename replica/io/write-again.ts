import { REGION_BYTES } from '../common/limits.ts';
import type { ByteRange } from '../common/ranges.ts';
import type { DataFile } from './data-file.ts';
import { isZero } from './is-zero.ts';

/**
 * Writes what these ranges hold once more, so that the next fdatasync really covers it. After one that
 * failed, Linux calls the pages clean: they read as they should until it forgets them, and neither a
 * flush nor a comparison with other copies would find anything to do (I8).
 */
export function writeAgain(dataFile: DataFile, ranges: readonly ByteRange[]): void {
  const piece = Buffer.allocUnsafe(REGION_BYTES);
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at += piece.length) {
      const bytes = piece.subarray(0, Math.min(piece.length, end - at));
      dataFile.readInto(bytes, at);
      if (isZero(bytes)) dataFile.trim(at, bytes.length);
      else dataFile.write(bytes, at);
    }
  }
}
