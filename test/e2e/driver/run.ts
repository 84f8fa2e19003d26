import { isolateNetwork } from '../../support/isolated.ts';
import { runChecks } from './checks.ts';

isolateNetwork();
await runChecks((name) => process.stdout.write(`ok: ${name}\n`));
