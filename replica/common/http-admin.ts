import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, Gauge, type Registry } from 'prom-client';
import { messageOf } from './errors.ts';
import { explainListen } from './listen.ts';

export interface AdminOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly isReady: () => boolean;
  /** What /status answers, as JSON. */
  readonly status: () => unknown;
  readonly metrics: Registry;
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves GET /healthz, /readyz (503 until ready), /status and /metrics.
 *
 * Errors: IN_USE, IO_FAILED, when the port cannot be listened on.
 */
export async function startAdminServer(options: AdminOptions): Promise<AdminServer> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      send(response, 500, 'text/plain', `${messageOf(error)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(explainListen(error, options.host, options.port)));
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * CPU time and memory of this process, read when they are asked for. The default set of prom-client
 * keeps performance observers running and so costs CPU while idle.
 */
export function registerProcessMetrics(registry: Registry): void {
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time of this process in seconds.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of this process in bytes.',
    registers: [registry],
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminOptions,
): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  const page = PAGES[path ?? ''];
  if (page === undefined) return send(response, 404, 'text/plain', 'not found\n');
  if (request.method !== 'GET') {
    response.setHeader('Allow', 'GET');
    return send(response, 405, 'text/plain', 'only GET is allowed\n');
  }
  const { status, type, body } = await page(options);
  send(response, status, type, body);
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const PAGES: Readonly<Record<string, (options: AdminOptions) => Page | Promise<Page>>> = {
  '/healthz': () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
  '/readyz': ({ isReady }) =>
    isReady()
      ? { status: 200, type: 'text/plain', body: 'ready\n' }
      : { status: 503, type: 'text/plain', body: 'not ready\n' },
  '/status': ({ status }) => ({
    status: 200,
    type: 'application/json',
    body: `${JSON.stringify(status())}\n`,
  }),
  '/metrics': async ({ metrics }) => ({
    status: 200,
    type: metrics.contentType,
    body: await metrics.metrics(),
  }),
};

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
