import type { Keelson } from '../../support/keelson.ts';
import type { Guest } from '../../support/uml/guest.ts';

/** What a check works with: a guest that is logged out, and the volume of an installation. */
export interface Bench {
  readonly guest: Guest;
  readonly keelson: Keelson;
  /** `iscsiadm -m node -T … -p …`, to which an operation is added. */
  readonly node: string;
}

/** Logs in and waits for the disk, which the kernel finds a moment later; returns its path. */
export async function logIn({ guest, node }: Bench): Promise<string> {
  await guest.run(`${node} -l`);
  return await guest.run(
    'for i in $(seq 100); do ls /dev/sd? 2>/dev/null && break; sleep 0.05; done',
  );
}

export async function logOut({ guest }: Bench): Promise<void> {
  await guest.run('iscsiadm -m node -u');
}

export function setNode({ node }: Bench, settings: Readonly<Record<string, string>>): string {
  const updates = Object.entries(settings).map(
    ([name, value]) => `${node} -o update -n ${name} -v ${value}`,
  );
  return updates.join(' && ');
}

export function expectMatch(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`expected ${pattern}, got\n${text}`);
}
