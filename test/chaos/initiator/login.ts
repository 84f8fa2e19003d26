import { connect, type Socket } from 'node:net';
import { IMMEDIATE, LOGIN_STATUS, REQUEST, RESPONSE } from '../../../controller/iscsi/constants.ts';
import { type Digests, NO_DIGESTS } from '../../../controller/iscsi/digest.ts';
import { PduFramer } from '../../../controller/iscsi/framer.ts';
import type { Pdu } from '../../../controller/iscsi/step.ts';
import { makePdu, text, wireBytes } from '../../support/initiator-pdus.ts';
import { Session } from './session.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly targetName: string;
  readonly initiatorName: string;
  /** CRC-32C to be asked for; none unless told. */
  readonly digests?: Digests;
}

/** A stopped controller accepts connections, by its kernel, and never answers. */
const LOGIN_LIMIT_MS = 3_000;

const MAX_SEGMENT_BYTES = 256 * 1024;
const FIRST_CMD_SN = 1;

/** Transit from the operational stage (1) to the full feature phase (3). */
const STRAIGHT_IN = 0x87;
const IS_TRANSIT = 0x80;

/** The same each time: a new login with it reinstates the session (RFC 7143 section 6.3.5). */
const ISID = { 8: 0x00023d00, 12: 0x00010000 };

/** Small bursts, so that large writes go through several R2Ts. */
const KEYS = [
  'SessionType=Normal',
  'InitialR2T=Yes',
  'ImmediateData=Yes',
  `MaxRecvDataSegmentLength=${MAX_SEGMENT_BYTES}`,
  'MaxBurstLength=262144',
  'FirstBurstLength=65536',
  'MaxOutstandingR2T=2',
  'DefaultTime2Wait=0',
  'DefaultTime2Retain=0',
  'ErrorRecoveryLevel=0',
];

/** Returns the session, or why there is none. */
export async function logIn(target: Target): Promise<Session | string> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true });
  const framer = new PduFramer(MAX_SEGMENT_BYTES);
  socket.on('connect', () => socket.write(wireBytes(makeLogin(target))));
  const response = await firstPdu(socket, framer);
  const session =
    typeof response === 'string' ? response : begin(target, { socket, framer }, response);
  if (typeof session === 'string') socket.destroy();
  return session;
}

function makeLogin({ initiatorName, targetName, digests = NO_DIGESTS }: Target): Pdu {
  const names = [`InitiatorName=${initiatorName}`, `TargetName=${targetName}`];
  return makePdu({
    opcode: REQUEST.LOGIN | IMMEDIATE,
    flags: STRAIGHT_IN,
    itt: 0,
    words: { ...ISID, 24: FIRST_CMD_SN },
    data: text(...names, ...digestKeys(digests), ...KEYS),
  });
}

function digestKeys({ header, data }: Digests): string[] {
  return [`HeaderDigest=${header ? 'CRC32C' : 'None'}`, `DataDigest=${data ? 'CRC32C' : 'None'}`];
}

function firstPdu(socket: Socket, framer: PduFramer): Promise<Pdu | string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish('no answer to the login'), LOGIN_LIMIT_MS);
    const onData = (chunk: Buffer) => {
      const pdus: Pdu[] = [];
      const fault = framer.push(chunk, pdus);
      const [first] = pdus;
      if (fault !== undefined) finish(fault);
      else if (first !== undefined) finish(first);
    };
    const onError = (error: Error) => finish(error.message);
    const onClose = () => finish('closed during the login');
    const finish = (outcome: Pdu | string) => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('close', onClose);
      // The error listener stays: destroying a socket that just failed must not end the run.
      resolve(outcome);
    };
    socket.on('data', onData);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
}

function begin(
  { digests = NO_DIGESTS }: Target,
  { socket, framer }: { socket: Socket; framer: PduFramer },
  { header, data }: Pdu,
): Session | string {
  if ((header[0] as number) !== RESPONSE.LOGIN) return `opcode ${header[0]} instead of a login`;
  const status = header.readUInt16BE(36);
  if (status !== LOGIN_STATUS.SUCCESS) return `login refused with 0x${status.toString(16)}`;
  if (((header[1] as number) & IS_TRANSIT) === 0) return 'the login wants another round';
  const keys = new Map(
    data
      .toString()
      .split('\0')
      .map((pair) => pair.split('=') as [string, string]),
  );
  for (const [key, value] of digestKeys(digests).map((pair) => pair.split('='))) {
    if (keys.get(key as string) !== value) return `${key}=${value} was not agreed on`;
  }
  const fault = framer.enterFullFeature({ maxDataBytes: MAX_SEGMENT_BYTES, digests });
  if (fault !== undefined) return fault;
  return new Session({
    socket,
    framer,
    digests,
    nextCmdSN: header.readUInt32BE(28),
    maxCmdSN: header.readUInt32BE(32),
    nextStatSN: header.readUInt32BE(24) + 1,
    maxSegmentBytes: Number(keys.get('MaxRecvDataSegmentLength') ?? 8192),
    firstBurstBytes: Number(keys.get('FirstBurstLength') ?? 65536),
  });
}
