export interface MountEntry {
  /** Of the device, as in /proc/self/mountinfo and /sys/block/NAME/dev: `8:0`. */
  readonly device: string;
  readonly path: string;
}

/**
 * What /proc/self/mountinfo says of mounts at `path`, the last one on top. Its fields: id, parent,
 * device, root, path, with `\ooo` for bytes that would end a field (proc(5)).
 */
export function findMount(mountInfo: string, path: string): MountEntry | undefined {
  const entries = mountInfo.split('\n').map((line) => line.split(' '));
  const found = entries.findLast((fields) => plain(fields[4] ?? '') === path);
  return found?.[2] === undefined ? undefined : { device: found[2], path };
}

function plain(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
