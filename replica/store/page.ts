/** The files beside the data whose durable state decides what a sync must look at. */
export type StoreFile = 'regions' | 'hot';

/** Bytes of a store file that are to be written in place. */
export interface Page {
  /** Where in the file. */
  readonly offset: number;
  /** Never changed once handed out. */
  readonly bytes: Buffer;
}
