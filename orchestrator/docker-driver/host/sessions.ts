import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeelsonError, systemCodeOf } from '../../../replica/common/errors.ts';
import { changeNodeRecord, type NodeSettings } from '../core/node-record.ts';
import { type Outcome, requirePrograms, run, runOk, saidBy } from './run.ts';

/** One session of this host's initiator with a target. */
export interface Session {
  /** As iscsiadm numbers it: 1 for session1. */
  readonly id: string;
  /** The portal answers. */
  readonly isUp: boolean;
}

export interface Portal {
  readonly targetName: string;
  /** `host:port` */
  readonly portal: string;
}

const SESSIONS = '/sys/class/iscsi_session';
const TRANSPORT = '/sys/class/iscsi_transport/tcp';
const DISK_DRIVER = '/sys/bus/scsi/drivers/sd';
const INITIATOR_NAME = '/etc/iscsi/initiatorname.iscsi';
/** Where open-iscsi was built to keep its records: Debian and SUSE; Fedora and RHEL. */
const RECORDS = ['/etc/iscsi/nodes', '/var/lib/iscsi/nodes'];

/** Exit codes of iscsiadm (open-iscsi, include/iscsi_err.h). */
const NO_OBJECTS_FOUND = 21;
const SESSION_EXISTS = 15;
const NO_DAEMON = 20;
const LOGIN_REFUSED = 24;

/**
 * Errors: FAILED_PRECONDITION in one sentence, when this host cannot be an iSCSI initiator.
 */
export async function requireInitiator(): Promise<void> {
  await requireKernel(TRANSPORT, 'iscsi_tcp', 'CONFIG_ISCSI_TCP');
  await requireKernel(DISK_DRIVER, 'sd_mod', 'CONFIG_BLK_DEV_SD');
  await requirePrograms(['iscsiadm', 'sg_persist', 'sg_raw', 'mount', 'umount']);
}

/** This host's name among initiators. Errors: FAILED_PRECONDITION. */
export async function readInitiatorName(): Promise<string> {
  const text = await readFile(INITIATOR_NAME, 'utf8').catch(() => '');
  const name = /^\s*InitiatorName\s*=\s*(\S+)/m.exec(text)?.[1];
  if (name !== undefined) return name;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `${INITIATOR_NAME}: expected InitiatorName=iqn…, found none; give this host a name of its own with iscsi-iname`,
  );
}

export async function findSessions(targetName: string): Promise<Session[]> {
  const found: Session[] = [];
  for (const entry of await entriesOf(SESSIONS)) {
    const id = /^session(\d+)$/.exec(entry)?.[1];
    if (id === undefined) continue;
    if ((await readFact(join(SESSIONS, entry, 'targetname'))) !== targetName) continue;
    const isUp = (await readFact(join(SESSIONS, entry, 'state'))) === 'LOGGED_IN';
    found.push({ id, isUp });
  }
  return found;
}

/** Makes the record anew and logs in. Errors: FAILED_PRECONDITION, UNAVAILABLE, UNAUTHENTICATED. */
export async function logIn(portal: Portal, settings: NodeSettings): Promise<void> {
  // What an earlier attempt left may be half written.
  if ((await findRecordFile(portal)) !== undefined) await forgetRecord(portal);
  explain(await run('iscsiadm', [...nodeArgs(portal), '-o', 'new']), portal);
  const path = await findRecordFile(portal);
  if (path === undefined) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `iscsiadm made a record for ${portal.targetName}, but not below ${RECORDS.join(' or ')}`,
    );
  }
  // In place: another name in this directory would be another record.
  await writeFile(path, changeNodeRecord(await readFile(path, 'utf8'), settings), { mode: 0o600 });
  const outcome = await run('iscsiadm', [...nodeArgs(portal), '--login']);
  if (outcome.code !== SESSION_EXISTS) explain(outcome, portal);
}

/** Errors: IO_FAILED. */
export async function logOut(targetName: string): Promise<void> {
  for (const { id } of await findSessions(targetName)) {
    await runOk('iscsiadm', ['-m', 'session', '-r', id, '--logout'], {
      codes: [0, NO_OBJECTS_FOUND],
    });
  }
}

export async function forgetRecord(portal: Portal): Promise<void> {
  await runOk('iscsiadm', [...nodeArgs(portal), '-o', 'delete'], { codes: [0, NO_OBJECTS_FOUND] });
}

/** A line of sysfs; undefined where there is none. */
export async function readFact(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined; // gone in this moment, as objects of the kernel may
  }
}

export async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    return []; // gone in this moment, or the kernel has no such thing
  }
}

async function requireKernel(path: string, module: string, option: string): Promise<void> {
  if (await exists(path)) return;
  const { code } = await run('modprobe', [module]);
  if (code === 0 && (await exists(path))) return;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `this host's kernel is no iSCSI initiator: it has no module ${module}; volumes can be created and ` +
      `removed here, and mounted on hosts whose kernel has ${option} (on Debian linux-image-amd64, ` +
      'on Ubuntu linux-modules-extra) and where open-iscsi is installed',
  );
}

function nodeArgs({ targetName, portal }: Portal): string[] {
  return ['-m', 'node', '-T', targetName, '-p', portal];
}

/** Either a file named after the portal, or a directory with a file for each interface. */
async function findRecordFile({ targetName, portal }: Portal): Promise<string | undefined> {
  const start = portal.replace(/:(\d+)$/, ',$1').replace(/^\[(.*)\]/, '$1');
  for (const root of RECORDS) {
    const directory = join(root, targetName);
    const name = (await entriesOf(directory)).find(
      (entry) => entry === start || entry.startsWith(`${start},`),
    );
    if (name === undefined) continue;
    const path = join(directory, name);
    return (await stat(path)).isDirectory() ? join(path, 'default') : path;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function explain(outcome: Outcome, { targetName, portal }: Portal): void {
  const { code } = outcome;
  if (code === 0) return;
  const what = `log in to ${targetName} at ${portal}`;
  if (code === LOGIN_REFUSED) {
    throw new KeelsonError(
      'UNAUTHENTICATED',
      `${what}: refused; expected the volume's CHAP user in the driver's --chap-file, and this host's ` +
        `name of ${INITIATOR_NAME} in the volume's label keelson.io/initiators if it has one`,
    );
  }
  if (code === NO_DAEMON) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `${what}: iscsid does not run; start it, with systemctl enable --now iscsid`,
    );
  }
  throw new KeelsonError(
    'UNAVAILABLE',
    `${what}: ${saidBy(outcome)} (iscsiadm: exit code ${code})`,
  );
}
