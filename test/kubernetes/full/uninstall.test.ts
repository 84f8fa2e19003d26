import { existsSync } from 'node:fs';
import { VerifiedVolume } from '../../support/verified-volume.ts';
import { install, uninstall } from '../support/install.ts';
import { copyDirectoryOf, Installation, SYSTEM } from '../support/installation.ts';
import { find, get } from '../support/kubectl.ts';
import { useNamespace } from '../support/namespace.ts';
import { currentSuite } from '../support/suite.ts';

const NAMESPACE = 't-res-uninstall';
useNamespace(NAMESPACE);

interface VolumeObject {
  readonly status: { readonly copies: readonly { readonly node: string }[] };
}

test('what is uninstalled leaves the data and says where; installed again, it serves all of it', async () => {
  const { tag } = currentSuite();
  const installation = await Installation.connect();
  const name = 'kept';
  const volume = await VerifiedVolume.create(installation, { namespace: NAMESPACE, name });
  try {
    await volume.fill();
    volume.start();
    await volume.whenBusy(200);
    await volume.rest();
    await uninstall(tag);
    expect(await find('namespace', SYSTEM)).toBeUndefined();
    const { status } = await get<VolumeObject>('volumes.keelson.io', name, NAMESPACE);
    const nodes = volume.view.copies.map(({ node }) => node).toSorted();
    expect(status.copies.map(({ node }) => node).toSorted()).toEqual(nodes);
    for (const node of nodes) {
      expect(existsSync(copyDirectoryOf(installation.harness, volume.view, node))).toBe(true);
    }
    await install(tag);
    await installation.reconnect();
    const view = await installation.whenHealthy({ namespace: NAMESPACE, name });
    expect(view.copies.map(({ node }) => node).toSorted()).toEqual(nodes);
    // Where the PersistentVolumes say that it is: they cannot be changed.
    expect(view.portal).toBe(volume.view.portal);
    await volume.checkCopies();
    expect([...volume.ioErrors]).toEqual([]);
  } finally {
    await volume.remove(); // one that is in use holds its namespace up
  }
});
