import { get } from 'node:http';

/**
 * HEALTHCHECK of all images: asks the program beside it for /healthz. Exit code 0 when it answers
 * 200, 1 otherwise, with one sentence that `docker inspect` shows.
 */

/** HOST:PORT; the images set loopback and the port of their role, who starts them the real one. */
const address = process.env.KEELSON_HEALTH_ADDRESS ?? '';

/** Shorter than that of the HEALTHCHECK, which would end this without a word. */
const TIMEOUT_MS = 4_000;

const url = `http://${address}/healthz`;

if (!URL.canParse(url) || address === '') {
  fail(`KEELSON_HEALTH_ADDRESS: expected HOST:PORT, got ${address.slice(0, 80)}`);
} else {
  get(url, { timeout: TIMEOUT_MS, agent: false }, ({ statusCode }) => {
    if (statusCode === 200) process.exit(0);
    fail(`${url}: expected 200, got ${statusCode}`);
  })
    .on('timeout', () => fail(`${url}: no answer within ${TIMEOUT_MS} ms`))
    .on('error', ({ message }) => fail(`${url}: ${message}`));
}

function fail(sentence: string): never {
  process.stdout.write(`${sentence}\n`);
  process.exit(1);
}
