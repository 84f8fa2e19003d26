import { closeSync, fsyncSync, ftruncateSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeWhole } from './whole-io.ts';

/** What a new file begins with. */
export type Content =
  | { readonly kind: 'hole'; readonly bytes: number }
  | { readonly kind: 'filled'; readonly bytes: number; readonly byte: number }
  | { readonly kind: 'bytes'; readonly data: Buffer };

const PIECE_BYTES = 1024 * 1024;

/** Makes the file, or makes it anew. Its content is durable on return; its name is not. */
export function createDurably(path: string, content: Content): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    fill(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whatever moment the power goes, the name leads to the old file or to the whole new one. */
export function replaceDurably(path: string, content: Content): void {
  const temporaryPath = `${path}.new`;
  createDurably(temporaryPath, content);
  renameSync(temporaryPath, path);
  syncDirectory(dirname(path));
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function fill(fd: number, content: Content): void {
  switch (content.kind) {
    case 'hole':
      ftruncateSync(fd, content.bytes);
      return;
    case 'filled': {
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, content.bytes), content.byte);
      for (let at = 0; at < content.bytes; at += piece.length) {
        writeWhole(fd, piece.subarray(0, Math.min(piece.length, content.bytes - at)), at);
      }
      return;
    }
    case 'bytes':
      writeWhole(fd, content.data, 0);
  }
}
