declare module 'fs-native-extensions' {
  /** Locks the whole file for this open file description; false when somebody else holds it. */
  export function tryLock(fd: number): boolean;
}
