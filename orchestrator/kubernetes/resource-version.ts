const MAX_DIGITS = 20;

/**
 * Whether `a` is of an earlier time than `b`, both of one kind of object. They are numbers in all
 * servers there are, though nobody is promised so before Kubernetes 1.35; false of what is no number.
 */
export function isOlder(a: string, b: string): boolean {
  if (!isNumber(a) || !isNumber(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}

function isNumber(version: string): boolean {
  return version.length <= MAX_DIGITS && /^[1-9][0-9]*$/.test(version);
}
