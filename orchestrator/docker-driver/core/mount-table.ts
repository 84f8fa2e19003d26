export interface MountEntry {
  /** Of the device, as in /proc/self/mountinfo and /sys/block/NAME/dev: `8:0`. */
  readonly device: string;
  readonly path: string;
}

/**
 * What /proc/PID/mountinfo says of mounts at `path`, the last one on top. Its fields: id, parent,
 * device, root, path, with `\ooo` for bytes that would end a field (proc(5)).
 */
export function findMount(mountInfo: string, path: string): MountEntry | undefined {
  return entriesIn(mountInfo).findLast((entry) => entry.path === path);
}

/** Whether the device, or a part of what is on it, is mounted at another path than this one. */
export function hasMountBeside(mountInfo: string, device: string, path: string): boolean {
  return entriesIn(mountInfo).some((entry) => entry.device === device && entry.path !== path);
}

function entriesIn(mountInfo: string): MountEntry[] {
  return mountInfo.split('\n').flatMap((line) => {
    const [, , device, , path] = line.split(' ');
    return device === undefined || path === undefined ? [] : [{ device, path: plain(path) }];
  });
}

function plain(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
