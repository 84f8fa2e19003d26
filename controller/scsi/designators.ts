import type { DeviceIdentity } from './logical-unit.ts';

export const VENDOR = 'KEELSON';
export const PRODUCT = 'VOLUME';

/** Protocol identifier iSCSI in the high half of a designator's first byte. */
const ISCSI = 0x50;
const CODE_SET = { BINARY: 1, ASCII: 2, UTF_8: 3 } as const;
/** PIV and association "target port" in a designator's second byte. */
const TARGET_PORT = 0x90;
const DESIGNATOR = { T10: 1, NAA: 3, RELATIVE_PORT: 4, PORT_GROUP: 5, SCSI_NAME: 8 } as const;
/** There is one portal group and one port. */
const FIRST = Buffer.from([0, 0, 0, 1]);

/** What names the logical unit, whichever path leads to it, and what names this path (SPC-4 7.8.5). */
export function makeDesignators(identity: DeviceIdentity): Buffer {
  const portName = `${identity.targetName},t,0x0001\0`;
  const paddedPortName = portName.padEnd(Math.ceil(portName.length / 4) * 4, '\0');
  return Buffer.concat([
    ...makeUnitDesignators(identity),
    makeDesignator(
      ISCSI | CODE_SET.UTF_8,
      TARGET_PORT | DESIGNATOR.SCSI_NAME,
      Buffer.from(paddedPortName),
    ),
    makeDesignator(ISCSI | CODE_SET.BINARY, TARGET_PORT | DESIGNATOR.RELATIVE_PORT, FIRST),
    makeDesignator(ISCSI | CODE_SET.BINARY, TARGET_PORT | DESIGNATOR.PORT_GROUP, FIRST),
  ]);
}

/** Those that name the logical unit, each with its 4-byte header. */
export function makeUnitDesignators({ serial }: DeviceIdentity): Buffer[] {
  return [
    makeDesignator(CODE_SET.BINARY, DESIGNATOR.NAA, makeLocalName(serial)),
    makeDesignator(CODE_SET.ASCII, DESIGNATOR.T10, Buffer.from(VENDOR.padEnd(8) + serial)),
  ];
}

function makeDesignator(codeSet: number, type: number, designator: Buffer): Buffer {
  return Buffer.concat([Buffer.from([codeSet, type, 0, designator.length]), designator]);
}

/**
 * NAA 3h, locally assigned, 8 bytes: no registered company id is needed. The last 15 digits of a
 * volume id are its 60 random bits, in version 4 and in version 7 of UUIDs.
 */
function makeLocalName(serial: string): Buffer {
  const digits = serial.replaceAll(/[^0-9a-f]/gi, '');
  return Buffer.from(`3${digits.slice(-15).padStart(15, '0')}`, 'hex');
}
