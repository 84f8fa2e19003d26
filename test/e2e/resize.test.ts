import { iscsiUrl } from '../../orchestrator/cli/format.ts';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';
import { eventually } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';

/** A volume in use becomes larger. Each test goes on where the last one ended. */
const MIB = 1024 ** 2;
const NAME = { namespace: 'default', name: 'grows' };
const OLD = { byte: 0x11, offset: '0', length: '64M' };
const NEW_END = { byte: 0x22, offset: '190M', length: '2M' };

let keelson: Keelson;
let initiator: Initiator;
let url = '';

beforeAll(async () => {
  keelson = await startKeelson({ nodes: 3, isEmpty: true });
  const volume = await keelson.makeVolume(NAME.name, { size: '64Mi', replicas: 1 });
  url = iscsiUrl(volume);
  await writePattern(url, OLD);
  const [host = '', port] = volume.portal.split(':');
  const { targetName } = volume;
  const initiatorName = 'iqn.2026-11.io.keelson:resize';
  const target = { host, port: Number(port), targetName, initiatorName };
  initiator = new Initiator(target, () => undefined);
});
afterAll(async () => {
  await initiator?.stop();
  await keelson?.stop();
});

test('grows while a session is open, which is told and then finds the new end', async () => {
  expect(await capacity()).toBe(64 * MIB);
  await resize('192Mi');
  const told = await eventually('the initiator is told', async () => {
    const answer = await initiator.execute(TEST_UNIT_READY);
    return answer.kind === 'good' ? undefined : answer;
  });
  expect(told).toMatchObject({ kind: 'refused', reason: 'UNIT ATTENTION 2a09' });
  expect(await capacity()).toBe(192 * MIB);
  await writePattern(url, NEW_END);
  await expectPattern(url, OLD);
  await expectPattern(url, NEW_END);
});

test('never shrinks, and says so', async () => {
  await expect(resize('64Mi')).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringContaining('a volume never shrinks'),
  });
  expect(await keelson.api.volume(NAME)).toMatchObject({
    sizeBytes: 192 * MIB,
    servedBytes: 192 * MIB,
  });
});

test('has its new size after kill -9 of the controller, and gives it to a copy that was away', async () => {
  const [replica] = keelson.replicas();
  process.kill(keelson.controller().pid, 'SIGKILL');
  process.kill(replica?.pid ?? 0, 'SIGKILL');
  await resize('256Mi');
  await whenServed(256 * MIB);
  await expectPattern(url, NEW_END);
  await keelson.api.updateVolume(NAME, {
    labelsAdd: { 'keelson.io/replicas': '2' },
    labelsRemove: [],
  });
  const volume = await eventually('three copies in sync', async () => {
    const view = await keelson.api.volume(NAME);
    const inSync = view.copies.filter(
      ({ state, isConnected }) => state === 'in-sync' && isConnected,
    );
    return inSync.length === 3 ? view : undefined;
  });
  expect(volume.health).toBe('healthy');
  await expectPattern(url, OLD);
});

const TEST_UNIT_READY = { cdb: Buffer.alloc(6) };
/** SERVICE ACTION IN(16), READ CAPACITY(16). */
const READ_CAPACITY = { cdb: makeReadCapacity(), readBytes: 32 };

function makeReadCapacity(): Buffer {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x9e;
  cdb[1] = 0x10;
  cdb.writeUInt32BE(32, 10);
  return cdb;
}

async function capacity(): Promise<number> {
  const data = await eventually('a capacity', async () => {
    const answer = await initiator.execute(READ_CAPACITY);
    return answer.kind === 'good' ? answer.data : undefined; // after a unit attention, once more
  });
  return (Number(data.readBigUInt64BE(0)) + 1) * 512;
}

function resize(size: string): Promise<VolumeView> {
  return keelson.api.updateVolume(NAME, { labelsAdd: {}, labelsRemove: [], size });
}

function whenServed(bytes: number): Promise<true> {
  return eventually('the volume has grown', async () =>
    (await keelson.api.volume(NAME)).servedBytes === bytes ? true : undefined,
  );
}
