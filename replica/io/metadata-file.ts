import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import { encodeSlot, type Metadata, slotOffsetOf } from '../store/metadata-record.ts';
import { writeWhole } from './whole-io.ts';

/** The door to a copy's metadata. */
export interface MetadataFile {
  /** Durable in both slots on return. Throws the system error otherwise. */
  write(metadata: Metadata): void;
  close(): void;
}

/** The real one. `sequence` is that of the newest record in it. */
export function openMetadataFile(path: string, sequence: number): MetadataFile {
  const fd = openSync(path, 'r+');
  let newest = sequence;
  return {
    write(metadata) {
      // The older slot first, and on stable storage before the other is touched: one is always whole.
      for (let slotCount = 0; slotCount < 2; slotCount += 1) {
        newest += 1;
        const slot = encodeSlot({ metadata, sequence: newest });
        writeWhole(fd, slot, slotOffsetOf(newest));
        fdatasyncSync(fd);
      }
    },
    close: () => closeSync(fd),
  };
}
