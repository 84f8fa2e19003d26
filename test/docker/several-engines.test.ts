import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { iscsiUrl } from '../../orchestrator/cli/format.ts';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { eventually, runOk } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { imagesFor } from '../support/dockerd-images.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';
import { Orchestrator } from './support/orchestrator.ts';

/** Three engines, each on a host of its own; the orchestrator is on a fourth. */
const NUMBERS = [1, 2, 3] as const;
/** Of the orchestrator's host; all others reach it by their cables. */
const OWN_ADDRESS = '198.18.255.1';
const VOLUME = { namespace: 'default', name: 'wide' };
const REPLACE_AFTER_SECONDS = 3;

let hosts: Dockerd[] = [];
let orchestrator: Orchestrator | undefined;
const dataDir = mkdtempSync(join(tmpdir(), 'keelson-wide-'));

beforeAll(async () => {
  await runOk('ip', ['address', 'add', `${OWN_ADDRESS}/32`, 'dev', 'lo']);
  hosts = await Promise.all(NUMBERS.map((host) => startDockerd({ host, tls: host === 2 })));
  for (const { engine } of hosts) await imagesFor(engine);
  orchestrator = await Orchestrator.start({
    dataDir,
    nodes: hosts.map(optionOf),
    replaceAfterSeconds: REPLACE_AFTER_SECONDS,
    args: ['--advertise', OWN_ADDRESS],
  });
});
afterAll(async () => {
  await orchestrator?.kill();
  await Promise.all(hosts.map((host) => host.stop()));
  rmSync(dataDir, { recursive: true });
});

function optionOf({ tcp, socketPath, address, directory }: Dockerd, index: number): string {
  const engine = tcp === undefined ? `unix://${socketPath}` : `${tcp.url},tls=${tcp.certificates}`;
  return `name=host${index + 1},data=${directory}/node,engine=${engine},address=${address}`;
}

async function whenHealthy(without?: string): Promise<VolumeView> {
  return eventually(
    'the volume is healthy',
    async () => {
      const view = await orchestrator?.api.volume(VOLUME);
      const inSync = view?.copies.filter(
        ({ state, isConnected }) => state === 'in-sync' && isConnected,
      );
      const isThere = view?.copies.some(({ node }) => node === without);
      return view?.health === 'healthy' && inSync?.length === 2 && !isThere ? view : undefined;
    },
    { withinMs: 60_000, everyMs: 50 },
  ).catch((cause: unknown) => {
    throw new Error(`${String(cause)}\n${orchestrator?.output}`, { cause });
  });
}

test('S17 S50 the host of the controller is lost: it goes on at another, and a copy is made anew', async () => {
  const labels = { 'keelson.io/replicas': '1' };
  await orchestrator?.api.createVolume({ ...VOLUME, size: '64Mi', labels });
  const before = await whenHealthy();
  await writePattern(iscsiUrl(before), { byte: 0x5a, offset: '1M', length: '2M' });
  const [address = ''] = before.portal.split(':');
  const lost = hosts.findIndex((host) => host.address === address);
  expect(lost).toBeGreaterThanOrEqual(0);
  await hosts[lost]?.stop();
  const after = await whenHealthy(`host${lost + 1}`);
  expect(after.portal).not.toBe(before.portal);
  await expectPattern(iscsiUrl(after), { byte: 0x5a, offset: '1M', length: '2M' });
  await writePattern(iscsiUrl(after), { byte: 0x6b, offset: '4M', length: '1M' });
});
