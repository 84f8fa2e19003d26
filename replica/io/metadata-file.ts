import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { encodeSlot, type Metadata, slotOffsetOf } from '../store/metadata-record.ts';

/** The door to a copy's metadata. */
export interface MetadataFile {
  /** Durable on return. Throws the system error otherwise. */
  write(metadata: Metadata): void;
  close(): void;
}

/** The real one. `sequence` is that of the newest record in it. */
export function openMetadataFile(path: string, sequence: number): MetadataFile {
  const fd = openSync(path, 'r+');
  let newest = sequence;
  return {
    write(metadata) {
      const next = newest + 1;
      const slot = encodeSlot({ metadata, sequence: next });
      writeSync(fd, slot, 0, slot.length, slotOffsetOf(next));
      fdatasyncSync(fd);
      newest = next;
    },
    close: () => closeSync(fd),
  };
}
