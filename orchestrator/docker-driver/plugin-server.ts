import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import { readJsonBody } from '../api/http.ts';
import { decodePluginRequest, needsBody, type PluginRequest } from './core/plugin-request.ts';
import type { Answer, Driver } from './driver.ts';

export interface PluginServer {
  /** Takes no more calls; those that are under way are answered. */
  close(): Promise<void>;
}

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';

/**
 * Serves the volume plugin protocol on a unix socket. Docker finds it by the socket's name:
 * `/run/docker/plugins/keelson.sock` is the driver `keelson`.
 *
 * Errors: IN_USE when another driver answers there; IO_FAILED.
 */
export async function listenPlugin(path: string, driver: Driver, log: Log): Promise<PluginServer> {
  await removeStale(path);
  const server = createServer((request, response) => {
    void serve({ driver, log, request, response });
  });
  await listen(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve()); // and the socket file goes with it
        server.closeIdleConnections();
      }),
  };
}

interface Exchange {
  readonly driver: Driver;
  readonly log: Log;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function serve({ driver, log, request, response }: Exchange): Promise<void> {
  const path = request.url ?? '';
  let decoded: PluginRequest;
  let answer: Answer;
  try {
    decoded = decodePluginRequest(path, needsBody(path) ? await readBody(request) : {});
    answer = await driver.handle(decoded);
  } catch (error) {
    const isExpected = error instanceof KeelsonError;
    const reason = isExpected ? error.message : String((error as Error)?.stack);
    // Docker asks for every name before it creates one.
    const isNews = !(isExpected && error.code === 'NOT_FOUND');
    if (isNews) log.warn('call failed', { path, reason });
    const shown = isExpected ? error.message : 'the driver failed; its log says why';
    await send(response, { Err: shown });
    return;
  }
  const isTaken = await send(response, { ...answer, Err: '' });
  try {
    await (isTaken ? driver.onAnswered(decoded) : driver.onGivenUp(decoded));
  } catch (error) {
    log.error('work after an answer failed', { path, reason: messageOf(error) });
  }
}

/**
 * Docker repeats a call whose connection broke off, and has nothing left to send then (seen with engine
 * 20.10). Nobody can tell which volume it was about.
 */
async function readBody(request: IncomingMessage): Promise<unknown> {
  if (request.headers['content-length'] !== '0') return await readJsonBody(request);
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    'the volume driver went away before it had answered, and Docker asks again without saying what; try again',
  );
}

/**
 * Whether Docker has taken the answer. 200 for failures too: Docker shows `Err` as it is then, without
 * words of its own before it.
 */
function send(response: ServerResponse, answer: Answer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  const body = Buffer.from(`${JSON.stringify(answer)}\n`);
  return new Promise((resolve) => {
    response.once('finish', () => resolve(true));
    response.once('close', () => resolve(response.writableFinished));
    // Each call on a connection of its own: one that is closed while Docker begins to use it is a call
    // that broke off.
    const connection = { connection: 'close', 'content-type': CONTENT_TYPE };
    response.writeHead(200, { ...connection, 'content-length': body.length });
    response.end(body);
  });
}

async function listen(server: Server, path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o600); // whoever may write to it may mount and delete volumes
  } catch (cause) {
    throw new KeelsonError(
      'IO_FAILED',
      `listen on ${path}: ${messageOf(cause)}; the driver runs as root, or choose another path with --socket`,
      { cause },
    );
  }
}

/** A driver that was killed leaves its socket, and nobody can listen on its name then. */
async function removeStale(path: string): Promise<void> {
  const isAnswered = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
  if (isAnswered) {
    throw new KeelsonError(
      'IN_USE',
      `listen on ${path}: another driver answers there; stop it, or choose another path with --socket`,
    );
  }
  await rm(path, { force: true });
}
