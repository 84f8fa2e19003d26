import { startKeelson } from '../../support/keelson.ts';
import { type Guest, HOST_ADDRESS, prepareNetwork, startGuest } from '../../support/uml/guest.ts';
import { type Bench, expectMatch, logIn, logOut, setNode } from './bench.ts';
import { checkChap } from './chap.ts';
import { PORTAL_HOST } from './target.ts';

interface Check {
  readonly name: string;
  run(bench: Bench): Promise<void>;
}

const DIGESTS = ['HeaderDigest', 'DataDigest'] as const;
const MOUNT = '/run/volume';

const CHECKS: readonly Check[] = [
  { name: 'header and data digests protect an ext4 that is written and read', run: checkDigests },
  { name: 'XFS is made, written, trimmed and found clean', run: checkXfs },
  { name: 'blkdiscard gives space back, and GET LBA STATUS tells', run: checkDiscard },
  {
    name: 'two initiators share a persistent reservation and shut out one',
    run: checkReservations,
  },
  { name: 'CHAP and mutual CHAP let in who knows the secrets', run: checkChap },
];

/** Runs all checks on one volume, one after the other; the first that fails throws. */
export async function runInteroperability(onDone: (name: string) => void): Promise<void> {
  const keelson = await startKeelson();
  try {
    await prepareNetwork(PORTAL_HOST);
    const guest = await startGuest();
    try {
      const node = `iscsiadm -m node -T ${keelson.targetName} -p ${HOST_ADDRESS}`;
      await guest.run(`${node} -o new`);
      for (const { name, run } of CHECKS) {
        await run({ guest, keelson, node });
        onDone(name);
      }
    } finally {
      await guest.stop();
    }
  } finally {
    await keelson.stop();
  }
}

async function checkDigests(bench: Bench): Promise<void> {
  const { guest } = bench;
  const values = (value: string) =>
    Object.fromEntries(DIGESTS.map((name) => [`node.conn[0].iscsi.${name}`, value]));
  await guest.run(setNode(bench, values('CRC32C')));
  const disk = await logIn(bench);
  const session = await guest.run('iscsiadm -m session -P 2');
  for (const name of DIGESTS) expectMatch(session, new RegExp(`${name}: CRC32C`));
  await guest.run(`mkfs.ext4 -q ${disk} && mount ${disk} ${MOUNT}`);
  await writeFiles(guest);
  await guest.run(`umount ${MOUNT}`);
  await logOut(bench);
  // Over another session, so that nothing comes from the kernel's cache.
  await guest.run(setNode(bench, values('None')));
  const again = await logIn(bench);
  await guest.run(`e2fsck -fn ${again} && mount ${again} ${MOUNT}`);
  await checkFiles(guest);
  await guest.run(`fstrim ${MOUNT} && umount ${MOUNT}`);
  await logOut(bench);
}

async function checkXfs(bench: Bench): Promise<void> {
  const { guest } = bench;
  const disk = await logIn(bench);
  await guest.run(
    `modprobe -d /run/modules xfs && mkfs.xfs -q -f ${disk} && mount ${disk} ${MOUNT}`,
  );
  await writeFiles(guest);
  await guest.run(`rm ${MOUNT}/file1 && sync && fstrim -v ${MOUNT}`);
  await guest.run(`umount ${MOUNT} && xfs_repair -n ${disk}`);
  await logOut(bench);
}

async function checkDiscard(bench: Bench): Promise<void> {
  const { guest } = bench;
  const disk = await logIn(bench);
  await guest.run(`blkdiscard -f ${disk}`);
  expectMatch(await guest.run(`sg_get_lba_status -l 0 ${disk}`), /deallocated|unmapped/i);
  await guest.run(`dd if=/dev/urandom of=${disk} bs=1M count=1 seek=8 oflag=direct 2>/dev/null`);
  // 8 MiB are 16384 blocks of 512 bytes.
  const written = await guest.run(`sg_get_lba_status -l 16384 ${disk}`);
  expectMatch(written, /mapped/i);
  if (/deallocated|unmapped/i.test(written.split('\n')[0] ?? '')) {
    throw new Error(`GET LBA STATUS: expected mapped blocks behind a write, got\n${written}`);
  }
  await guest.run(`cmp -n 1048576 ${disk} /dev/zero`);
  await logOut(bench);
}

const KEYS = { first: '0xa1', second: '0xb2' } as const;
const WRITE_EXCLUSIVE_REGISTRANTS_ONLY = '--prout-type=5';

async function checkReservations(bench: Bench): Promise<void> {
  const { guest, node } = bench;
  const first = await logIn(bench);
  const second = await logInAsAnother(bench, 'second', first);
  const third = await logInAsAnother(bench, 'third', `${first} ${second}`);
  const persist = (disk: string, ...words: string[]) =>
    guest.run(`sg_persist --no-inquiry ${words.join(' ')} ${disk}`);
  await persist(first, '--out', '--register', `--param-sark=${KEYS.first}`);
  await persist(second, '--out', '--register', `--param-sark=${KEYS.second}`);
  const type = WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
  await persist(first, '--out', '--reserve', `--param-rk=${KEYS.first}`, type);
  const keys = await persist(third, '--in', '--read-keys');
  for (const key of Object.values(KEYS)) expectMatch(keys, new RegExp(key));
  const write = (disk: string) => `dd if=/dev/zero of=${disk} bs=4096 count=1 oflag=direct`;
  await guest.run(write(first));
  await guest.run(write(second));
  await guest.run(`! ${write(third)}`);
  const preempt = ['--out', '--preempt', `--param-rk=${KEYS.second}`, `--param-sark=${KEYS.first}`];
  await persist(second, ...preempt, type);
  await guest.run(`! ${write(first)}`);
  await persist(second, '--out', '--clear', `--param-rk=${KEYS.second}`);
  await guest.run(write(third));
  await guest.run('iscsiadm -m node -u');
  // Without a portal group in it there is one record a portal: that of the last initiator.
  await guest.run(`${node} -o delete && ${node} -o new`);
}

/** Another name is another initiator, also from the same machine. */
async function logInAsAnother(
  { guest, keelson }: Bench,
  name: string,
  known: string,
): Promise<string> {
  const face = `iscsiadm -m iface -I ${name}`;
  const initiator = `iqn.2026-11.io.keelson:${name}`;
  await guest.run(`${face} -o new && ${face} -o update -n iface.initiatorname -v ${initiator}`);
  const node = `iscsiadm -m node -T ${keelson.targetName} -p ${HOST_ADDRESS} -I ${name}`;
  await guest.run(`${node} -o new && ${node} -l`);
  const isNew = known
    .split(' ')
    .map((disk) => `[ $d != ${disk} ]`)
    .join(' && ');
  return await guest.run(
    `for i in $(seq 100); do for d in /dev/sd?; do ${isNew} && [ -b $d ] && echo $d && break 2; done; sleep 0.05; done`,
  );
}

async function writeFiles(guest: Guest): Promise<void> {
  await guest.run(
    `for i in 1 2 3; do head -c 8M /dev/urandom > ${MOUNT}/file$i; done; ` +
      `sync; cd ${MOUNT} && sha256sum file* > /run/sums; cd /`,
  );
}

async function checkFiles(guest: Guest): Promise<void> {
  await guest.run(`cd ${MOUNT} && sha256sum --quiet -c /run/sums; result=$?; cd /; (exit $result)`);
}
