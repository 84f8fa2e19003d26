import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { ControllerStatus } from '../../controller/protocol/status.ts';
import { logIn, type Target } from '../chaos/initiator/login.ts';

const PORTAL_LIMIT_MS = 60_000;
const PROBE_EVERY_MS = 5;
const PROBE_LIMIT_MS = 500;

const SYNC_EVERY_MS = 40;
const STATUS_LIMIT_MS = 300;
const ADMIN_PORT = 3261;

/**
 * How long from a kill until a login is answered again. A connection that is asked for while nobody
 * has the address waits a second before it asks again, so each probe is a new one.
 *
 * @param kill resolves when nothing answers any more
 */
export async function untilPortalAnswers(
  target: Target,
  kill: () => Promise<unknown>,
): Promise<number> {
  const startMs = performance.now();
  await kill();
  await untilConnected(target, startMs + PORTAL_LIMIT_MS);
  for (;;) {
    const session = await logIn(target);
    const tookMs = performance.now() - startMs;
    if (typeof session !== 'string') {
      session.end('the probe is through');
      return tookMs;
    }
    if (tookMs > PORTAL_LIMIT_MS) throw new Error(`${target.host}: expected a login, ${session}`);
    await pause(PROBE_EVERY_MS);
  }
}

async function untilConnected({ host, port }: Target, giveUpAtMs: number): Promise<void> {
  let isConnected = false;
  while (!isConnected) {
    if (performance.now() > giveUpAtMs) throw new Error(`${host}:${port}: no connection`);
    const socket = connect({ host, port, timeout: PROBE_LIMIT_MS });
    socket.on('connect', () => {
      isConnected = true;
      socket.destroy();
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    await pause(PROBE_EVERY_MS);
  }
}

/** Adds up what syncs have compared and moved, by asking the controller again and again. */
export class SyncMeter {
  readonly #url: string;
  /** Of the sync of a copy that is under way. */
  readonly #underWay = new Map<string, number>();
  readonly #stopped = new AbortController();
  readonly #loop: Promise<void>;
  #endedBytes = 0;

  constructor(portal: string) {
    this.#url = `http://${portal.split(':')[0]}:${ADMIN_PORT}/status`;
    this.#loop = this.#look();
  }

  async stop(): Promise<number> {
    this.#stopped.abort();
    await this.#loop;
    return [...this.#underWay.values()].reduce((sum, bytes) => sum + bytes, this.#endedBytes);
  }

  async #look(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const status = await this.#ask();
      for (const { replicaId, sync } of status?.copies ?? []) {
        const before = this.#underWay.get(replicaId) ?? 0;
        const now = sync?.doneBytes ?? 0;
        // It is over, or another one has begun: what was seen of it last is what counts.
        if (now < before) this.#endedBytes += before;
        this.#underWay.set(replicaId, now);
      }
      await pause(SYNC_EVERY_MS);
    }
  }

  async #ask(): Promise<ControllerStatus | undefined> {
    try {
      const response = await fetch(this.#url, { signal: AbortSignal.timeout(STATUS_LIMIT_MS) });
      return (await response.json()) as ControllerStatus;
    } catch {
      return undefined; // it was killed, or is about to be
    }
  }
}
