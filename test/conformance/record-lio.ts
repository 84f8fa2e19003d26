import { writeFileSync } from 'node:fs';
import { isolateNetwork } from '../support/isolated.ts';
import { prepareNetwork, startGuest } from '../support/uml/guest.ts';
import { LIO_RECORD } from './lio.ts';
import { formatTotal, runSuite } from './suite.ts';
import { columnOf } from './table.ts';

/**
 * Runs the suite on LIO, the target of the Linux kernel, in User-mode Linux, and writes lio.json.
 * By hand, when libiscsi or Debian's kernel changed: `npm run conformance:lio`. It needs root.
 */
const TARGET_NAME = 'iqn.2026-11.io.keelson:peer.lio';
const GUEST_ADDRESS = '192.0.2.2';
const STORE = '/sys/kernel/config/target/core/fileio_0/disk';
const GROUP = `/sys/kernel/config/target/iscsi/${TARGET_NAME}/tpgt_1`;

/** The file lies in the guest's memory; demo mode takes any initiator, and lets it write. */
const SETUP = [
  'for m in configfs target_core_mod target_core_file iscsi_target_mod; do modprobe -d /run/modules $m; done',
  'mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config',
  `mkdir -p /run/disk ${STORE}`,
  'mount -t tmpfs -o size=300m disk /run/disk',
  'truncate -s 256M /run/disk/data',
  `echo fd_dev_name=/run/disk/data,fd_dev_size=268435456 > ${STORE}/control`,
  `echo 1 > ${STORE}/enable`,
  `echo 1 > ${STORE}/attrib/emulate_tpu`,
  `echo 1 > ${STORE}/attrib/emulate_tpws`,
  `mkdir -p ${GROUP}/lun/lun_0 ${GROUP}/np/${GUEST_ADDRESS}:3260`,
  `ln -s ${STORE} ${GROUP}/lun/lun_0/disk`,
  `for a in authentication:0 demo_mode_write_protect:0 generate_node_acls:1 cache_dynamic_acls:1; do echo \${a#*:} > ${GROUP}/attrib/\${a%:*}; done`,
  `echo 1 > ${GROUP}/enable`,
];

isolateNetwork();
await prepareNetwork('127.0.0.1');
const guest = await startGuest();
try {
  for (const command of SETUP) await guest.run(command);
  const url = `iscsi://${GUEST_ADDRESS}:3260/${TARGET_NAME}/0`;
  const results = await runSuite(url, { secondUrl: url });
  const { bySuite } = columnOf('LIO', results);
  writeFileSync(LIO_RECORD, `${JSON.stringify(Object.fromEntries(bySuite), null, 2)}\n`);
  process.stdout.write(`${formatTotal(results)}\n`);
} finally {
  await guest.stop();
}
