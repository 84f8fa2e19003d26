/** The system may read or write less than it was asked to; these go on until it is done. */
import { readSync, write, writeSync } from 'node:fs';

/** Returns how much of `target` was filled: all of it, unless the file ends before. */
export function readWhole(fd: number, target: Buffer, offset: number): number {
  let done = 0;
  while (done < target.length) {
    const count = readSync(fd, target, done, target.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

export function writeWhole(fd: number, source: Buffer, offset: number): void {
  let done = 0;
  while (done < source.length) {
    done += writeSync(fd, source, done, source.length - done, offset + done);
  }
}

/** Without holding up the caller, who leaves `source` as it is until then. */
export async function writeWholeLater(fd: number, source: Buffer, offset: number): Promise<void> {
  let done = 0;
  while (done < source.length) done += await writeSome(fd, source.subarray(done), offset + done);
}

function writeSome(fd: number, source: Buffer, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, source, 0, source.length, offset, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
