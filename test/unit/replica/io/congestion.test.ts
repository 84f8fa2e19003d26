import { IdleMemory } from '../../../../replica/common/idle-memory.ts';
import { loadLz4Napi } from '../../../../replica/common/lz4.ts';
import { Replica } from '../../../../replica/core/replica.ts';
import type { DataFile } from '../../../../replica/io/data-file.ts';
import { ReplicaDriver } from '../../../../replica/io/driver.ts';
import { makeCounters } from '../../../../replica/io/metrics.ts';
import { ReplicaServer } from '../../../../replica/io/server.ts';
import { OPCODE } from '../../../../replica/protocol/constants.ts';
import { encodeFrame } from '../../../../replica/protocol/frame.ts';
import { HotExtents } from '../../../../replica/store/hot-extents.ts';
import { RegionMap } from '../../../../replica/store/region-map.ts';
import { METADATA, NO_JOURNAL } from '../support/core-harness.ts';
import { TestClient } from '../support/test-client.ts';

const SECRET = Buffer.alloc(32, 3);
const MIB = 1024 * 1024;
const WRITE_COUNT = 128;

const nextTurn = () => new Promise(setImmediate);
const silent = () => undefined;

/** A server on a disk that takes everything and forgets it, and saves when it is told to. */
async function serve() {
  const metadata = { ...METADATA, epoch: 0, instanceId: null };
  const { sizeBytes } = metadata;
  const regions = new RegionMap(sizeBytes);
  const hot = new HotExtents(sizeBytes);
  const saves: (() => void)[] = [];
  const counters = makeCounters();
  const dataFile: DataFile = {
    ...{
      readInto: silent,
      write: silent,
      reserve: silent,
      trim: silent,
      grow: silent,
      close: silent,
    },
    map: () => Buffer.alloc(0),
    fdatasync: (done) => done(null),
    allocatedBytes: () => 0,
  };
  const log = { info: silent, warn: silent, error: silent };
  const driver = new ReplicaDriver({
    ...{ dataFile, counters, log, observeFsync: silent, onStop: silent },
    replica: new Replica({ metadata, regions, hot, bootId: 'boot', journal: NO_JOURNAL }),
    metadataFile: { write: silent, close: silent },
    storeFiles: {
      save: (_file, _pages, done) => saves.push(() => done(null)),
      note: silent,
      grow: silent,
      close: () => Promise.resolve(),
    },
    lz4: await loadLz4Napi(),
    clock: { nowMs: () => 0 },
    idleMemory: new IdleMemory(silent),
  });
  const server = new ReplicaServer({
    ...{ host: '127.0.0.1', port: 0, secret: SECRET, driver, counters, log },
  });
  return { server, driver, counters, saves, port: await server.listen() };
}

test('connection, is read no further while too much waits for the disk, and then to its end', async () => {
  const { server, driver, counters, saves, port } = await serve();
  const client = new TestClient('127.0.0.1', port);
  await client.hello(SECRET);
  const payload = Buffer.alloc(MIB, 1);
  for (let seq = 1; seq <= WRITE_COUNT; seq += 1) {
    const fields = { opcode: OPCODE.WRITE, seq, length: MIB, generation: 1 };
    client.sendBytes(encodeFrame(fields, payload));
  }
  while (!driver.isCongested) await nextTurn();
  for (let turn = 0; turn < 100; turn += 1) await nextTurn();
  expect(counters.wireBytes.received).toBeLessThan(70 * MIB);
  expect(saves).toHaveLength(1);
  saves[0]!();
  for (let seq = 1; seq <= WRITE_COUNT; seq += 1) {
    expect(await client.next()).toMatchObject({ opcode: OPCODE.WRITE_REPLY, seq });
  }
  client.close();
  await server.close();
});
