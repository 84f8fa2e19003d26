import { dirname } from 'node:path';
import { makeAdminStatus } from '../admin/status.ts';
import { readBootId } from '../common/boot-id.ts';
import { monotonicClock } from '../common/clock.ts';
import { KeelsonError } from '../common/errors.ts';
import { type AdminServer, startAdminServer } from '../common/http-admin.ts';
import { IdleMemory } from '../common/idle-memory.ts';
import { makeLog } from '../common/log.ts';
import { loadLz4 } from '../common/lz4.ts';
import { whyDown } from '../common/node-directory.ts';
import { Replica } from '../core/replica.ts';
import { type OpenDirectory, openDirectory } from './directory.ts';
import { ReplicaDriver, type StopEffect } from './driver.ts';
import { makeCounters, makeMetrics } from './metrics.ts';
import type { ReplicaOptions } from './options.ts';
import { redo } from './redo.ts';
import { ReplicaServer } from './server.ts';
import { writeAgain } from './write-again.ts';

export interface RunningReplica {
  readonly port: number;
  readonly adminPort: number;
  /** Finishes what arrived, makes it durable, and ends. */
  stop(): void;
  /** Everything is closed. */
  readonly ended: Promise<StopEffect>;
}

/**
 * Opens the directory and serves it until it is stopped or fails.
 *
 * Errors: a KeelsonError that says in one sentence why the replica cannot start.
 */
export async function startReplica(options: ReplicaOptions): Promise<RunningReplica> {
  const { volume, replicaId } = options;
  const log = makeLog({ role: 'replica', volume, replicaId });
  const lz4 = await loadLz4();
  checkNode(options);
  const directory = openDirectory(options);
  const { dataFile, metadataFile, storeFiles, metadata, regions, hot, damage } = directory;
  const bootId = readBootId();
  const journal = redo({ ...directory, lz4, bootId });
  if (journal.redo.length > 0) {
    log.info('carried out again what was written down', { changes: journal.redo.length });
  }
  // The copy serves all the same: what is damaged is compared with the other copies.
  if (damage.length > 0)
    log.warn('what changed where is not known for all of the copy', { damage });
  // Also when the boot id is another one: a boot empties this kernel's page cache, but not the cache
  // below it, a hypervisor's or a drive's, in which the same bytes may be readable and on no disk.
  if (metadata.mayLackWrites) writeAgain(dataFile, hot.ranges());
  const counters = makeCounters();
  const allocatedBytes = () => dataFile.allocatedBytes();
  const replica = new Replica({ metadata, regions, hot, journal, bootId });
  const hotExtents = () => replica.status.hotExtents;
  const metrics = makeMetrics(counters, { allocatedBytes, hotExtents });
  let isReady = false;
  const stopped = Promise.withResolvers<StopEffect>();
  const driver = new ReplicaDriver({
    ...{ replica, dataFile, metadataFile, storeFiles, lz4, counters, log, clock: monotonicClock },
    idleMemory: new IdleMemory(),
    observeFsync: (seconds) => metrics.observeFsync(seconds),
    onStop: stopped.resolve,
  });
  const server = new ReplicaServer({ ...options, driver, counters, log });
  const admin = await startAdminServer({
    ...{ host: options.host, port: options.adminPort },
    isReady: () => isReady,
    status: () =>
      makeAdminStatus(replica.status, {
        ...{ volume, allocatedBytes: allocatedBytes(), lz4: lz4.name },
      }),
    metrics: metrics.registry,
  });
  const port = await server.listen();
  isReady = true;
  const { dataId, sizeBytes, epoch, session, restart } = replica.status;
  const facts = { dataId, sizeBytes, epoch, session, restart, lz4: lz4.name };
  log.info('replica serves', { port, adminPort: admin.port, ...facts });
  return {
    ...{ port, adminPort: admin.port },
    stop: () => driver.turn({ kind: 'shutdown' }),
    ended: stopped.promise.then(async (stop) => {
      isReady = false;
      const { reason } = stop;
      if (stop.isFailure) log.error('replica failed', { reason });
      else log.info('replica stops', { reason });
      await closeAll(server, admin, directory);
      return stop;
    }),
  };
}

/** An empty mount point would be formatted as a new copy, beside the one on the disk that is away. */
function checkNode({ node, dataDir }: ReplicaOptions): void {
  const reason = node && whyDown(dirname(dataDir), node);
  if (reason !== undefined) throw new KeelsonError('WRONG_DISK', reason);
}

async function closeAll(
  server: ReplicaServer,
  admin: AdminServer,
  directory: OpenDirectory,
): Promise<void> {
  await server.close();
  await admin.close();
  await directory.close();
}
