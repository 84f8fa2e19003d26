import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { isDiskFull, KeelsonError, messageOf, systemCodeOf } from '../common/errors.ts';
import {
  chooseRecord,
  encodeSlot,
  METADATA_FILE_BYTES,
  type Metadata,
  slotOffsetOf,
} from '../store/metadata-record.ts';
import { type DataFile, openDataFile } from './data-file.ts';
import { createDurably, replaceDurably, syncDirectory } from './durable-files.ts';
import { type MetadataFile, openMetadataFile } from './metadata-file.ts';
import { formatStore, type OpenStore, openStore } from './store-files.ts';

/** Which copy a directory is expected to hold. */
export interface CopyIdentity {
  readonly dataDir: string;
  readonly volumeId: string;
  readonly replicaId: string;
  readonly sizeBytes: number;
}

/** A copy's directory, locked by this process (I9): `lock`, `metadata`, `data`, `regions`, `hot`, `journal`. */
export interface OpenDirectory extends OpenStore {
  readonly metadata: Metadata;
  readonly metadataFile: MetadataFile;
  readonly dataFile: DataFile;
  /** Also lets go of the lock. The kernel does the same when the process dies. */
  close(): Promise<void>;
}

/**
 * Locks the directory, formats it if it is new, and checks that it holds the copy that is meant.
 *
 * Errors: IN_USE, WRONG_IDENTITY, CORRUPT, NO_SPACE, FAILED_PRECONDITION, IO_FAILED. Whatever is
 * in the directory is kept.
 */
export function openDirectory(identity: CopyIdentity): OpenDirectory {
  const { dataDir } = identity;
  let lockFd: number | undefined;
  try {
    // Not its parents: where the node's directory is missing, its disk is not mounted (ADR 0014).
    if (!existsSync(dataDir)) mkdirSync(dataDir, { mode: 0o700 });
    lockFd = lock(join(dataDir, 'lock'));
    if (!existsSync(join(dataDir, 'metadata'))) format(identity);
    return openFormatted(identity, lockFd);
  } catch (error) {
    if (lockFd !== undefined) closeSync(lockFd);
    throw explain(error, dataDir);
  }
}

function openFormatted(identity: CopyIdentity, lockFd: number): OpenDirectory {
  const { dataDir } = identity;
  const { metadata, sequence } = readRecord(join(dataDir, 'metadata'));
  check(metadata, identity);
  const dataFile = openDataFile(join(dataDir, 'data'));
  const metadataFile = openMetadataFile(join(dataDir, 'metadata'), sequence);
  const store = openStore(dataDir, metadata.sizeBytes);
  return {
    ...{ metadata, metadataFile, dataFile, ...store },
    async close() {
      await store.storeFiles.close();
      dataFile.close();
      metadataFile.close();
      closeSync(lockFd);
    },
  };
}

function lock(path: string): number {
  const fd = openSync(path, 'a+', 0o600);
  if (!tryLock(fd)) {
    const holder = readFileSync(path, 'utf8').trim();
    closeSync(fd);
    throw new KeelsonError(
      'IN_USE',
      `open ${dirname(path)}: locked by another process (pid ${holder || 'unknown'}); stop it first`,
    );
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return fd;
}

/**
 * The metadata file appears last and whole, by rename: without it the format was not finished, and
 * no controller has seen the copy. Data without it means that somebody removed it.
 */
function format({ dataDir, volumeId, replicaId, sizeBytes }: CopyIdentity): void {
  const dataPath = join(dataDir, 'data');
  if (existsSync(dataPath) && statSync(dataPath).blocks > 0) {
    throw new KeelsonError(
      'CORRUPT',
      `open ${dataDir}: there is data but no metadata; it was kept, restore the file or use an empty directory`,
    );
  }
  createDurably(dataPath, { kind: 'hole', bytes: sizeBytes });
  formatStore(dataDir, sizeBytes);
  const metadata: Metadata = {
    ...{ volumeId, replicaId, dataId: randomUUID(), sizeBytes, epoch: 0, instanceId: null },
    ...{ session: 0, bootId: null, mayLackWrites: false, leaseHolders: [], isPristine: true },
    ...{ attribute: '', journalKept: 0 },
  };
  const slots = Buffer.alloc(METADATA_FILE_BYTES);
  for (const sequence of [0, 1]) {
    encodeSlot({ metadata, sequence }).copy(slots, slotOffsetOf(sequence));
  }
  syncDirectory(dataDir); // the other files' names are durable before the metadata speaks of them
  replaceDurably(join(dataDir, 'metadata'), { kind: 'bytes', data: slots });
  syncDirectory(dirname(dataDir));
}

function readRecord(path: string) {
  try {
    return chooseRecord(readFileSync(path));
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    throw new KeelsonError(
      error.code,
      `open ${dirname(path)}: ${error.message}; the data was kept`,
      { cause: error },
    );
  }
}

function check(metadata: Metadata, identity: CopyIdentity): void {
  const { dataDir } = identity;
  for (const field of ['volumeId', 'replicaId'] as const) {
    if (metadata[field] === identity[field]) continue;
    throw new KeelsonError(
      'WRONG_IDENTITY',
      `open ${dataDir}: it belongs to ${field} ${metadata[field]}, expected ${identity[field]}; use the right directory`,
    );
  }
  // A smaller copy grows when its controller says so, all copies together.
  if (metadata.sizeBytes > identity.sizeBytes) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `open ${dataDir}: the copy has ${metadata.sizeBytes} bytes, --size says ${identity.sizeBytes}; a volume never shrinks: say at least what the copy has`,
    );
  }
  const dataPath = join(dataDir, 'data');
  const fileBytes = existsSync(dataPath) ? statSync(dataPath).size : 0;
  if (fileBytes < metadata.sizeBytes) {
    throw new KeelsonError(
      'CORRUPT',
      `open ${dataPath}: expected ${metadata.sizeBytes} bytes, got ${fileBytes}; it was truncated or removed, replace this copy`,
    );
  }
}

function explain(error: unknown, dataDir: string): KeelsonError {
  if (error instanceof KeelsonError) return error;
  const options = { cause: error };
  if (isDiskFull(error)) {
    const message = `open ${dataDir}: the file system is full; free space on this node`;
    return new KeelsonError('NO_SPACE', message, options);
  }
  const code = systemCodeOf(error);
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new KeelsonError(
        'FAILED_PRECONDITION',
        `open ${dataDir}: no permission to write (${code}); run as its owner or change its mode`,
        options,
      );
    default:
      return new KeelsonError('IO_FAILED', `open ${dataDir}: ${messageOf(error)}`, options);
  }
}
