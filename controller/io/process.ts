import { createServer, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Clock, monotonicClock } from '../../replica/common/clock.ts';
import { startAdminServer } from '../../replica/common/http-admin.ts';
import { IdleMemory } from '../../replica/common/idle-memory.ts';
import { explainListen } from '../../replica/common/listen.ts';
import { makeLog } from '../../replica/common/log.ts';
import { loadLz4 } from '../../replica/common/lz4.ts';
import { Controller } from '../core/controller.ts';
import type { Access } from '../iscsi/access.ts';
import { IscsiTarget } from '../iscsi/target.ts';
import { chapModeOf } from '../protocol/chap-credentials.ts';
import type { Registration } from '../protocol/registration.ts';
import type { ControllerStatus } from '../protocol/status.ts';
import { targetNameOf } from '../protocol/target-name.ts';
import { DeviceServer } from '../scsi/device-server.ts';
import { makeReadPayload } from '../volume/read-payload.ts';
import { Volume } from '../volume/volume.ts';
import { nodeCryptography } from './cryptography.ts';
import { ControllerDriver, type Stop } from './driver.ts';
import { makeCounters, makeMetrics } from './metrics.ts';
import type { ControllerOptions } from './options.ts';
import { followRegistration, HttpRegistry, type Registry } from './registry-client.ts';
import { SlabPool } from './slab-pool.ts';

export interface RunningController {
  /** Lets the initiators go, finishes what is under way, tells the copies, and ends. */
  stop(): void;
  /** Everything is closed. A clean stop has no code. */
  readonly ended: Promise<Stop>;
}

/** How long the orchestrator may take to come up after its children. */
const REGISTRY_WAIT_MS = 10_000;
/** Initiators are asked to log out; those that stay are cut off after this. */
const LOGOUT_GRACE_MS = 1_000;
/** A clean stop that cannot finish (no copy answers) ends unclean after this. */
const DRAIN_MS = 5_000;

/**
 * Serves one volume until it is stopped or superseded. Logins are answered at once; I/O is held
 * until the copies are ready.
 *
 * Errors: a KeelsonError that says in one sentence why the controller cannot start.
 */
export async function startController(options: ControllerOptions): Promise<RunningController> {
  const { instanceId } = options;
  const volumeName = `${options.namespace}/${options.name}`;
  const log = makeLog({ role: 'controller', volume: volumeName, instanceId });
  const registry = new HttpRegistry({ ...options, url: options.registry });
  const [lz4, registration] = await Promise.all([loadLz4(), readRegistration(registry)]);
  const targetName = targetNameOf(registration.volume);
  const portal = options.portal ?? `${options.host}:${options.port}`;
  let current = registration;
  const target = new IscsiTarget(
    { targetName, targetAlias: volumeName, portal, portalGroupTag: 1 },
    { access: accessOf(current, options), cryptography: nodeCryptography },
  );
  const slabs = new SlabPool();
  const volume = new Volume(makeReadPayload(lz4, (bytes) => slabs.allocate(bytes)));
  const { id: serial } = registration.volume;
  const { sizeBytes } = registration.membership;
  const device = new DeviceServer({
    ...{ sizeBytes, serial, revision: '0.1', targetName },
    // Asked with every command, so that a changed label counts at once.
    get allowsSanitize() {
      return current.volume.allowsSanitize;
    },
  });
  const release = (cdb: Buffer): void => slabs.giveBack(cdb);
  const controller = new Controller({ target, device, volume, release });
  const counters = makeCounters();
  const stopped = Promise.withResolvers<Stop>();
  const driver = new ControllerDriver({
    ...{ controller, registration, registry, lz4 },
    ...{ log, counters, secret: options.secret, clock: monotonicClock },
    slabs,
    idleMemory: new IdleMemory(),
    onStop: stopped.resolve,
  });
  const status = (): ControllerStatus => ({
    ...{ volume: volumeName, instanceId, epoch: volume.epoch, generation: volume.generation },
    health: volume.health(),
    target: {
      ...{ name: targetName, portal, sessions: target.sessionCount() },
      chap: chapModeOf(accessOf(current, options).chap),
    },
    copies: volume.copyStatuses(monotonicClock.nowMs()),
    lz4: lz4.name,
  });
  // The port first: who finds another controller there must not take the volume from it.
  const server = await listen(options, driver);
  driver.start({ instanceId, address: portal }, Math.random());
  const following = new AbortController();
  void followRegistration({
    ...{ registry, from: registration, signal: following.signal },
    onChange: (changed) => {
      current = changed;
      driver.changeAccess(accessOf(changed, options));
      driver.update(changed);
    },
  });
  const admin = await startAdminServer({
    ...{ host: options.host, port: options.adminPort },
    isReady: () => volume.isActive,
    status,
    metrics: makeMetrics(counters, status),
  });
  return {
    stop: () => {
      server.close();
      endCleanly({ driver, target, clock: monotonicClock, onStop: stopped.resolve });
    },
    ended: stopped.promise.then(async (stop) => {
      const { code, reason } = stop;
      if (code === undefined) log.info('controller stops', { reason });
      else log.error('controller stops', { code, reason });
      following.abort();
      server.close();
      driver.close();
      await admin.close();
      return stop;
    }),
  };
}

/** The volume's own rules; where it has no credentials, those that this process was given. */
function accessOf({ volume, chap }: Registration, options: ControllerOptions): Access {
  return { initiators: volume.initiators, chap: chap ?? options.chap };
}

async function endCleanly(parts: {
  driver: ControllerDriver;
  target: IscsiTarget;
  clock: Clock;
  onStop: (stop: Stop) => void;
}): Promise<void> {
  const { driver, target, clock, onStop } = parts;
  driver.askInitiatorsToLeave();
  const deadlineMs = clock.nowMs() + LOGOUT_GRACE_MS;
  while (target.sessionCount() > 0 && clock.nowMs() < deadlineMs) await pause(20);
  driver.shutDown();
  await pause(DRAIN_MS);
  onStop({ code: 'UNAVAILABLE', reason: `not every copy answered within ${DRAIN_MS} ms` });
}

async function readRegistration(registry: Registry): Promise<Registration> {
  const deadlineMs = monotonicClock.nowMs() + REGISTRY_WAIT_MS;
  for (;;) {
    try {
      return await registry.read();
    } catch (error) {
      if (monotonicClock.nowMs() >= deadlineMs) throw error;
      await pause(100);
    }
  }
}

function listen({ host, port }: ControllerOptions, driver: ControllerDriver): Promise<Server> {
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) =>
    driver.accept(socket),
  );
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explainListen(error, host, port)));
    server.listen(port, host, () => resolve(server));
  });
}
