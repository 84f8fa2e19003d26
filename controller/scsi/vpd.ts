import { makeThirdPartyCopyBody } from './copy/third-party-vpd.ts';
import { makeDesignators } from './designators.ts';
import {
  LOGICAL_BLOCKS_PER_PHYSICAL,
  MAX_ATOMIC_BLOCKS,
  MAX_COMPARE_BLOCKS,
  MAX_TRANSFER_BLOCKS,
  MAX_UNMAP_BLOCKS,
  MAX_UNMAP_DESCRIPTORS,
  MAX_WRITE_SAME_BLOCKS,
  OPTIMAL_TRANSFER_BLOCKS,
} from './limits.ts';
import type { DeviceIdentity } from './logical-unit.ts';

const PAGE = {
  SUPPORTED_PAGES: 0x00,
  UNIT_SERIAL_NUMBER: 0x80,
  DEVICE_IDENTIFICATION: 0x83,
  THIRD_PARTY_COPY: 0x8f,
  BLOCK_LIMITS: 0xb0,
  BLOCK_DEVICE_CHARACTERISTICS: 0xb1,
  LOGICAL_BLOCK_PROVISIONING: 0xb2,
} as const;

/** A vital product data page with its 4-byte header, or undefined when there is no such page. */
export function makeVpdPage(identity: DeviceIdentity, pageCode: number): Buffer | undefined {
  const body = makeBody(identity, pageCode);
  if (body === undefined) return undefined;
  const page = Buffer.alloc(4 + body.length);
  page[1] = pageCode;
  page.writeUInt16BE(body.length, 2);
  body.copy(page, 4);
  return page;
}

function makeBody(identity: DeviceIdentity, pageCode: number): Buffer | undefined {
  switch (pageCode) {
    case PAGE.SUPPORTED_PAGES:
      return Buffer.from(Object.values(PAGE)); // in ascending order, as SPC-4 7.8.14 wants them
    case PAGE.UNIT_SERIAL_NUMBER:
      return Buffer.from(identity.serial, 'latin1');
    case PAGE.DEVICE_IDENTIFICATION:
      return makeDesignators(identity);
    case PAGE.THIRD_PARTY_COPY:
      return makeThirdPartyCopyBody();
    case PAGE.BLOCK_LIMITS:
      return makeBlockLimits();
    case PAGE.BLOCK_DEVICE_CHARACTERISTICS:
      return makeBlockDeviceCharacteristics(identity);
    case PAGE.LOGICAL_BLOCK_PROVISIONING:
      // Threshold exponent 0; LBPU, LBPWS, LBPWS10, LBPRZ; thin provisioned (SBC-3 6.6.5).
      return Buffer.from([0x00, 0xe4, 0x02, 0x00]);
    default:
      return undefined;
  }
}

/** Block limits (SBC-3 clause 6.6.3), offsets as in the page less its 4-byte header. */
function makeBlockLimits(): Buffer {
  const body = Buffer.alloc(0x3c);
  body[0] = 0x01; // WSNZ: WRITE SAME of 0 blocks is refused
  body[1] = MAX_COMPARE_BLOCKS;
  body.writeUInt16BE(LOGICAL_BLOCKS_PER_PHYSICAL, 2); // optimal transfer length granularity
  body.writeUInt32BE(MAX_TRANSFER_BLOCKS, 4);
  body.writeUInt32BE(OPTIMAL_TRANSFER_BLOCKS, 8);
  body.writeUInt32BE(MAX_UNMAP_BLOCKS, 16);
  body.writeUInt32BE(MAX_UNMAP_DESCRIPTORS, 20);
  body.writeUInt32BE(LOGICAL_BLOCKS_PER_PHYSICAL, 24); // optimal unmap granularity
  body.writeUInt32BE(0x80000000, 28); // UGAVALID, alignment 0
  body.writeBigUInt64BE(BigInt(MAX_WRITE_SAME_BLOCKS), 32);
  body.writeUInt32BE(MAX_ATOMIC_BLOCKS, 40);
  body.writeUInt32BE(LOGICAL_BLOCKS_PER_PHYSICAL, 44); // atomic alignment
  body.writeUInt32BE(LOGICAL_BLOCKS_PER_PHYSICAL, 48); // atomic transfer length granularity
  return body;
}

/** WABEREQ 01b: after a block erase, reads complete without an error. */
const WABEREQ_READS = 0x40;

/** Medium rotation rate 1: not rotating, so that the kernel neither sorts nor waits. */
function makeBlockDeviceCharacteristics({ allowsSanitize }: DeviceIdentity): Buffer {
  const body = Buffer.alloc(0x3c);
  body.writeUInt16BE(1, 0);
  if (allowsSanitize === true) body[3] = WABEREQ_READS;
  return body;
}
