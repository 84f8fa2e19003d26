import { type Guest, startGuest } from '../support/uml/guest.ts';
import { chapObjects } from './support/chap.ts';
import { Claims, makeClass, removeClass, type TestSource } from './support/claims.ts';
import { closeGuestNetwork, joinCluster, openGuestNetwork } from './support/guest-network.ts';
import { SYSTEM } from './support/installation.ts';
import { apply, get } from './support/kubectl.ts';
import { useNamespace } from './support/namespace.ts';

const NAMESPACE = 't-prov-mount';
const CLASS = 't-prov-mount';
const SECRET = 'chap';
const MOUNT = '/run/volume';

const claims = new Claims(NAMESPACE);
useNamespace(NAMESPACE);

let guest: Guest;
beforeAll(async () => {
  await apply(...chapObjects({ namespace: NAMESPACE, name: SECRET, reader: SYSTEM }));
  const parameters = { replicas: '1', chapSecretName: SECRET };
  await makeClass({ name: CLASS, parameters });
  await openGuestNetwork();
  guest = await startGuest();
  await joinCluster(guest);
});
afterAll(async () => {
  await guest?.stop();
  await closeGuestNetwork();
  await removeClass(CLASS);
});

test('a Linux initiator mounts a volume by what its PersistentVolume says, as a kubelet does', async () => {
  await claims.make({ name: 'mounted', className: CLASS, size: '64Mi' });
  const { pv } = await claims.whenBound('mounted');
  const { iscsi } = pv.spec;
  await logIn(iscsi);
  const disk = await findDisk();
  expect(await guest.run(`blockdev --getsize64 ${disk}`)).toBe(`${64 * 1024 ** 2}`);
  await guest.run(`mkfs.${iscsi.fsType} -q ${disk} && mount ${disk} ${MOUNT}`);
  await guest.run(
    `head -c 16M /dev/urandom > ${MOUNT}/file && sha256sum ${MOUNT}/file > /run/sum && umount ${MOUNT}`,
  );
  await logOut(iscsi);
  // Over another session, so that nothing comes from the kernel's cache.
  await logIn(iscsi);
  const again = await findDisk();
  await guest.run(`e2fsck -fn ${again} && mount ${again} ${MOUNT}`);
  await guest.run('sha256sum --quiet -c /run/sum');
  await guest.run(`umount ${MOUNT}`);
  await logOut(iscsi);
  await claims.delete('mounted');
  await claims.whenGone(pv.metadata.name);
});

/** What kubelets call, in their order. Source: pkg/volume/iscsi/iscsi_util.go of Kubernetes. */
async function logIn(source: TestSource): Promise<void> {
  const { targetPortal, iqn, secretRef, chapAuthDiscovery, chapAuthSession } = source;
  const { data } = await get<{ data: Readonly<Record<string, string>> }>(
    ...(['secret', secretRef?.name ?? '', secretRef?.namespace] as const),
  );
  const discovery = `iscsiadm -m discoverydb -t sendtargets -p ${targetPortal} -I default`;
  const node = `iscsiadm -m node -p ${targetPortal} -T ${iqn} -I default`;
  const update = async (command: string, prefix: string) => {
    await guest.run(`${command} -o update -n ${prefix}.authmethod -v CHAP`);
    for (const [key, value] of Object.entries(data).filter(([key]) => key.startsWith(prefix))) {
      const text = Buffer.from(value, 'base64').toString();
      await guest.run(`${command} -o update -n ${key} -v ${text}`);
    }
  };
  await guest.run(`${discovery} -o new`);
  if (chapAuthDiscovery === true) await update(discovery, 'discovery.sendtargets.auth');
  // The controller may still be coming up, and a kubelet would come again as well.
  await guest.run(`for i in $(seq 60); do ${discovery} --discover && break; sleep 1; done`);
  if (chapAuthSession === true) await update(node, 'node.session.auth');
  await guest.run(`${node} --login`);
}

async function logOut({ targetPortal, iqn }: TestSource): Promise<void> {
  await guest.run(`iscsiadm -m node -p ${targetPortal} -T ${iqn} --logout`);
  await guest.run(`iscsiadm -m node -p ${targetPortal} -T ${iqn} -I default -o delete`);
}

/** The kernel finds it a moment after the login. */
function findDisk(): Promise<string> {
  return guest.run('for i in $(seq 100); do ls /dev/sd? 2>/dev/null && break; sleep 0.05; done');
}
