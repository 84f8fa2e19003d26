/** What the driver can make, check, mount and grow. */
export const FILE_SYSTEMS = ['ext4', 'xfs'] as const;
export type FileSystem = (typeof FILE_SYSTEMS)[number];

/** Every distribution has its tools, it fits the smallest volumes, and it has no smallest size. */
export const DEFAULT_FILE_SYSTEM: FileSystem = 'ext4';

/** What lies on a disk. */
export type Content =
  /** Nothing: both ends are zero. */
  | { readonly kind: 'blank' }
  | { readonly kind: 'file-system'; readonly type: FileSystem; readonly bytes: number }
  /** Something that is not ours to touch. */
  | { readonly kind: 'foreign'; readonly what: string };

/**
 * How much of each end is looked at. All that `blkid` knows, partition tables, RAID and LVM included,
 * leaves a mark in the first or in the last MiB.
 */
export const END_BYTES = 1024 * 1024;

interface Signature {
  readonly at: number;
  readonly bytes: Buffer;
  readonly what: string;
}

const sign = (at: number, text: string, what: string): Signature => ({
  ...{ at, what },
  bytes: Buffer.from(text, 'latin1'),
});

/** Only for the words of a refusal: what is not zero is left alone, known or not. */
const FOREIGN: readonly Signature[] = [
  sign(0, 'LUKS\xba\xbe', 'a LUKS volume'),
  sign(512, 'LABELONE', 'an LVM physical volume'),
  sign(512, 'EFI PART', 'a GPT partition table'),
  sign(65_600, '_BHRfS_M', 'a Btrfs file system'),
  sign(4086, 'SWAPSPACE2', 'swap space'),
  sign(3, 'NTFS    ', 'an NTFS file system'),
  sign(4096, '\xfc\x4e\x2b\xa9', 'a RAID member'),
  sign(510, '\x55\xaa', 'a partition table'),
];

/**
 * Reads what the two ends of a disk say. They overlap on a disk that is smaller than both.
 *
 * ext4, from byte 1024, little-endian (fs/ext4/ext4.h, struct ext4_super_block):
 *    4  u32  blocks, low half       24  u32  block size: 1024 << this
 *   56  u16  magic, EF53h           96  u32  incompat features; 80h: 64 bit
 *  336  u32  blocks, high half
 *
 * XFS, from byte 0, big-endian (fs/xfs/libxfs/xfs_format.h, struct xfs_dsb):
 *    0  magic, "XFSB"                4  u32  block size
 *    8  u64  blocks
 */
export function readContent(first: Buffer, last: Buffer): Content {
  const bytes = ext4Bytes(first);
  if (bytes !== undefined) return { kind: 'file-system', type: 'ext4', bytes };
  if (first.subarray(0, 4).toString('latin1') === 'XFSB') {
    const blocks = first.readBigUInt64BE(8);
    return { kind: 'file-system', type: 'xfs', bytes: Number(blocks) * first.readUInt32BE(4) };
  }
  if (isZero(first) && isZero(last)) return { kind: 'blank' };
  const known = FOREIGN.find(({ at, bytes: magic }) =>
    first.subarray(at, at + magic.length).equals(magic),
  );
  return { kind: 'foreign', what: known?.what ?? 'data that is no file system known here' };
}

const EXT4_START = 1024;
const EXT4_MAGIC = 0xef53;
const EXT4_64_BIT = 0x80;
const MAX_LOG_BLOCK_SIZE = 6;

function ext4Bytes(first: Buffer): number | undefined {
  if (first.readUInt16LE(EXT4_START + 56) !== EXT4_MAGIC) return undefined;
  const logBlockSize = first.readUInt32LE(EXT4_START + 24);
  if (logBlockSize > MAX_LOG_BLOCK_SIZE) return undefined; // two bytes alone prove little
  const is64Bit = (first.readUInt32LE(EXT4_START + 96) & EXT4_64_BIT) !== 0;
  const high = is64Bit ? first.readUInt32LE(EXT4_START + 336) : 0;
  const blocks = high * 2 ** 32 + first.readUInt32LE(EXT4_START + 4);
  return blocks * (1024 << logBlockSize);
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}
