import { VerifiedVolume } from '../support/verified-volume.ts';
import { DockerInstallation } from './support/docker-installation.ts';

/** An engine as most people have it: it stops its containers when it ends, and when it was killed. */
const NAME = { namespace: 'default', name: 'restart' };

let installation: DockerInstallation;
let volume: VerifiedVolume;

beforeAll(async () => {
  installation = await DockerInstallation.prepare({ nodeCount: 3, endsWithContainers: true });
  await installation.start();
  volume = await VerifiedVolume.create(installation, { name: NAME.name });
});
afterAll(() => installation?.stop());

test.each(['terminate', 'kill9'] as const)(
  'B1 after the end of an engine by %s the volume comes back with it, and no I/O fails',
  async (end) => {
    volume.start();
    await volume.whenBusy();
    const { generation } = (await installation.api.volume(NAME)).membership;
    await installation.dockerd[end]();
    await installation.startDockerd();
    await installation.whenHealthy(NAME, generation);
    await volume.whenBusy();
    await volume.rest();
    await volume.checkCopies();
    expect([...volume.ioErrors]).toEqual([]);
  },
);
