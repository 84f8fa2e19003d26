/**
 * The files beside the data: `regions` and `hot`, whose durable state decides what a sync must look
 * at, and `journal`, what must not be written by halves.
 */
export type StoreFile = 'regions' | 'hot' | 'journal';

/** Bytes of a store file that are to be written in place. */
export interface Page {
  /** Where in the file. */
  readonly offset: number;
  /** Never changed once handed out. */
  readonly bytes: Buffer;
}
