import { join } from 'node:path';
import type { Access, Credentials } from '../../../orchestrator/kubernetes/access.ts';
import { runOk } from '../../support/child.ts';
import { ROOT } from '../../support/keelson.ts';

/** A program: see there. */
export const PRINT_ACCESS = join(ROOT, 'test/kubernetes', 'print-access.ts');

/** Where the cluster of the tests is, with all rights. Jest cannot load what the product finds it with. */
export async function foundAccess(): Promise<Access> {
  const output = await runOk(process.execPath, [PRINT_ACCESS]);
  const { server, ...credentials } = JSON.parse(output) as Credentials & { server: string };
  return { server, credentials: async () => credentials };
}
