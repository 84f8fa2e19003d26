import { openLibrary } from './ffi.ts';

/**
 * LZ4 block format (no frame header, no size prefix). The distribution's liblz4 through FFI where
 * it is there, `lz4-napi` otherwise; each reads what the other writes. FFI is experimental in
 * Node 26 and stays behind this file (docs/adr/0002-lz4-through-ffi.md).
 */
export interface Lz4 {
  /** Which implementation was chosen, as /status reports it. */
  readonly name: 'liblz4' | 'lz4-napi';

  /**
   * Compresses `source` into `target` from its start. Returns the compressed length in bytes, or
   * 0 when it does not fit: pass a target shorter than the source to get "0 means send it raw".
   */
  compress(source: Buffer, target: Buffer): number;

  /**
   * Decompresses `source` into exactly `target.length` bytes of `target`. Returns false when the
   * input is malformed or has another length; never writes past `target`.
   */
  decompress(source: Buffer, target: Buffer): boolean;
}

/** Chooses an implementation once, at start. Never fails: `lz4-napi` is prebuilt. */
export async function loadLz4(): Promise<Lz4> {
  return loadLiblz4() ?? (await loadLz4Napi());
}

/** liblz4 through FFI, or undefined where the library or FFI itself is missing. */
export function loadLiblz4(): Lz4 | undefined {
  const bufferToBuffer = { arguments: ['buffer', 'buffer', 'i32', 'i32'], return: 'i32' } as const;
  const library = openLibrary('liblz4.so.1', {
    LZ4_compress_default: bufferToBuffer,
    LZ4_decompress_safe: bufferToBuffer,
  });
  if (library === undefined) return undefined;
  const { LZ4_compress_default: compress, LZ4_decompress_safe: decompress } = library;
  return {
    name: 'liblz4',
    compress: (source, target) => compress(source, target, source.length, target.length),
    decompress: (source, target) =>
      decompress(source, target, source.length, target.length) === target.length,
  };
}

/** The prebuilt fallback. Its blocks carry a 4-byte little-endian size, taken off and put on here. */
export async function loadLz4Napi(): Promise<Lz4> {
  const { compressSync, uncompressSync } = await import('lz4-napi');
  return {
    name: 'lz4-napi',
    compress(source, target) {
      const block = compressSync(source).subarray(SIZE_PREFIX_BYTES);
      if (block.length > target.length) return 0;
      return block.copy(target);
    },
    decompress(source, target) {
      const prefixed = Buffer.allocUnsafe(SIZE_PREFIX_BYTES + source.length);
      prefixed.writeUInt32LE(target.length);
      source.copy(prefixed, SIZE_PREFIX_BYTES);
      try {
        return uncompressSync(prefixed).copy(target) === target.length;
      } catch {
        return false; // malformed input is the peer's fault; the caller closes its connection
      }
    },
  };
}

const SIZE_PREFIX_BYTES = 4;
