import { findAccess } from '../../orchestrator/kubernetes/access.ts';

/** What findAccess finds, as one line of JSON: jest cannot load the package that it stands on. */
const access = await findAccess();
const { headers, tls } = await access.credentials();
const text = (value: unknown) => (Buffer.isBuffer(value) ? value.toString('utf8') : value);
const shown = Object.fromEntries(Object.entries(tls).map(([name, value]) => [name, text(value)]));
process.stdout.write(`${JSON.stringify({ server: access.server, headers, tls: shown })}\n`);
