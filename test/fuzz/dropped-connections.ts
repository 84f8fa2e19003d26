import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { COMMAND_FLAG, FINAL, IMMEDIATE, REQUEST } from '../../controller/iscsi/constants.ts';
import type { Pdu } from '../../controller/iscsi/step.ts';
import { makePdu, text, wireBytes } from '../support/initiator-pdus.ts';
import { residentMiBOf } from '../support/processes.ts';
import { SeededRandom } from '../support/random.ts';

export interface DropTarget {
  readonly host: string;
  readonly port: number;
  readonly targetName: string;
}

export interface Cost {
  readonly residentMiB: number;
  readonly files: number;
}

/** As many at a time as a busy portal may see; enough to meet its limits now and then. */
const AT_A_TIME = 48;
/** Addresses of loopback that connections come from, so that ports do not run out. */
const ADDRESSES = 64;
/** An answer that does not come within this means that the connection is done for. */
const PATIENCE_MS = 2_000;

const SECURITY = 0x00;
const SECURITY_TO_OPERATIONAL = 0x81;
const OPERATIONAL = 0x04;
const OPERATIONAL_TO_FULL = 0x87;
const CONTINUED = 0x40;

/** What is sent before the drop: each part waits for the answer to the one before. */
type Script = (names: string[]) => readonly (Pdu | Buffer)[];

const SCRIPTS: Readonly<Record<string, Script>> = {
  'before anything': () => [],
  'in a header': (names) => [wireBytes(login(SECURITY, names)).subarray(0, 31)],
  'in a text': (names) => [wireBytes(login(SECURITY, names)).subarray(0, 70)],
  'in a continued text': (names) => [login(SECURITY | CONTINUED, names)],
  'in the security stage': (names) => [login(SECURITY, [...names, 'AuthMethod=CHAP,None'])],
  'behind the security stage': (names) => [login(SECURITY_TO_OPERATIONAL, names)],
  'in the operational stage': (names) => [
    login(SECURITY_TO_OPERATIONAL, names),
    login(OPERATIONAL, ['HeaderDigest=CRC32C', 'InitialR2T=No']),
  ],
  'at a refusal': (names) => [login(OPERATIONAL_TO_FULL, [...names.slice(0, 1), 'TargetName=no'])],
  'logged in': (names) => [login(OPERATIONAL_TO_FULL, names)],
  'in a discovery session': (names) => [
    login(OPERATIONAL_TO_FULL, [...names.slice(0, 1), 'SessionType=Discovery']),
    makePdu({ opcode: REQUEST.TEXT | IMMEDIATE, words: { 20: -1 }, data: text('SendTargets=All') }),
  ],
  'in a read': (names) => [login(OPERATIONAL_TO_FULL, names), command(COMMAND_FLAG.READ)],
  'in a write': (names) => [login(OPERATIONAL_TO_FULL, names), command(COMMAND_FLAG.WRITE)],
  'in a data segment': (names) => [
    login(OPERATIONAL_TO_FULL, names),
    wireBytes(command(COMMAND_FLAG.WRITE, Buffer.alloc(65_536))).subarray(0, 9_000),
  ],
};

export const STAGES = Object.keys(SCRIPTS);

/** Opens `count` connections and drops each at some stage; returns how many got to each. */
export async function openAndDrop(
  target: DropTarget,
  { count, seed }: { count: number; seed: number },
): Promise<Map<string, number>> {
  const random = new SeededRandom(seed);
  const tally = new Map<string, number>();
  let left = count;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const stage = STAGES[random.below(STAGES.length)] as string;
      const from = `127.9.0.${1 + random.below(ADDRESSES)}`;
      const names = [
        `InitiatorName=iqn.2026-01.com.example:h${random.below(200)}`,
        `TargetName=${target.targetName}`,
      ];
      const script = (SCRIPTS[stage] as Script)(names);
      const isReset = random.below(2) === 0;
      if (await drop({ ...target, from }, script, isReset)) {
        tally.set(stage, (tally.get(stage) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return tally;
}

/** What the process holds once it had time to notice that its peers are gone. */
export async function costOf(pid: number): Promise<Cost> {
  let files = filesOf(pid);
  for (let quiet = 0; quiet < 3; ) {
    await pause(1_000);
    const now = filesOf(pid);
    quiet = now === files ? quiet + 1 : 0;
    files = now;
  }
  return { residentMiB: residentMiBOf(pid), files };
}

function filesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Whether all of the script was sent. */
async function drop(
  to: DropTarget & { from: string },
  script: readonly (Pdu | Buffer)[],
  isReset: boolean,
): Promise<boolean> {
  const socket = connect({ host: to.host, port: to.port, localAddress: to.from });
  socket.on('error', () => undefined); // being refused or reset is part of the game
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const gone = closed.then(() => false);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  let isDone = await Promise.race([gone, once(socket, 'connect')]);
  for (const [index, part] of script.entries()) {
    if (!isDone) break;
    socket.write(Buffer.isBuffer(part) ? part : wireBytes(part));
    if (index < script.length - 1) isDone = await Promise.race([gone, once(socket, 'data')]);
  }
  if (isReset) socket.resetAndDestroy();
  else socket.destroySoon();
  await closed;
  return isDone;
}

function once(socket: Socket, event: 'connect' | 'data'): Promise<boolean> {
  return new Promise((resolve) => socket.once(event, () => resolve(true)));
}

function login(flags: number, keys: readonly string[]): Pdu {
  return makePdu({
    opcode: REQUEST.LOGIN | IMMEDIATE,
    flags,
    words: { 8: 0x00023d00, 24: 1 },
    data: text(...keys),
  });
}

function command(direction: number, data: Buffer = Buffer.alloc(0)): Pdu {
  return makePdu({
    opcode: REQUEST.SCSI_COMMAND,
    flags: FINAL | direction,
    itt: 2,
    words: { 20: 1024 * 1024, 24: 1 },
    // READ (10) and WRITE (10) of 2048 blocks.
    bytes: { 32: direction === COMMAND_FLAG.READ ? 0x28 : 0x2a, 39: 0x08 },
    data,
  });
}
