/** The package carries no types. Only what is used here. */
declare module 'fs-native-extensions' {
  /** Locks the whole file for this open file; false when another one holds it. */
  export function tryLock(fd: number): boolean;
  /** Punches a hole: the range reads as zeros, its space is given back, the size stays. */
  export function trimSync(fd: number, offset: number, length: number): void;
}
