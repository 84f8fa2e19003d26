import { openLibrary } from '../common/ffi.ts';
import { BLOCK_BYTES } from '../common/limits.ts';

/** For each block of a range of a file: 1 when it may hold data, 0 for a hole. */
export type MapBlocks = (fd: number, offset: number, length: number) => Buffer;

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * Asks the file system by `lseek`, which Node does not offer; the position that this moves is used by
 * nobody, since every read and write says where. Without FFI all blocks may hold data, which is true.
 */
export function makeMapBlocks(): MapBlocks {
  const libc = openLibrary('libc.so.6', {
    lseek: { arguments: ['i32', 'i64', 'i32'], return: 'i64' },
  });
  if (libc === undefined) return (_fd, _offset, length) => Buffer.alloc(blockCountOf(length), 1);
  const seek = (fd: number, offset: number, whence: number): number =>
    Number(libc.lseek(fd, BigInt(offset), whence));
  return (fd, offset, length) => {
    const map = Buffer.alloc(blockCountOf(length));
    const end = offset + length;
    for (let at = offset; at < end; ) {
      // Below 0: no data up to the end of the file.
      const data = seek(fd, at, SEEK_DATA);
      if (data < 0 || data >= end) break;
      const hole = Math.min(seek(fd, data, SEEK_HOLE), end);
      if (hole <= data) return map.fill(1); // it was changed under our hands, or is no such file
      map.fill(1, Math.floor((data - offset) / BLOCK_BYTES), blockCountOf(hole - offset));
      at = hole;
    }
    return map;
  };
}

function blockCountOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES);
}
