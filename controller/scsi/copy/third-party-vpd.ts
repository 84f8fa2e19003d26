import {
  LOGICAL_BLOCK_BYTES,
  MAX_CONCURRENT_COPIES,
  MAX_COPY_SEGMENTS,
  MAX_CSCD_DESCRIPTORS,
  MAX_SEGMENT_BLOCKS,
} from '../limits.ts';
import { OPCODE, SERVICE_ACTION } from '../opcode.ts';
import {
  CSCD_TYPE_IDENTIFICATION,
  MAX_DESCRIPTOR_LIST_BYTES,
  SEGMENT_TYPE_BLOCK_TO_BLOCK,
} from './copy-request.ts';

const TYPE = {
  SUPPORTED_COMMANDS: 0x0001,
  PARAMETER_DATA: 0x0004,
  SUPPORTED_DESCRIPTORS: 0x0008,
  SUPPORTED_CSCD_IDS: 0x000c,
  GENERAL_COPY_OPERATIONS: 0x8001,
} as const;

/** Third-party Copy VPD page, less its header: what EXTENDED COPY can do (SPC-4 clause 7.8.17). */
export function makeThirdPartyCopyBody(): Buffer {
  return Buffer.concat([
    makeDescriptor(TYPE.SUPPORTED_COMMANDS, makeCommands()),
    makeDescriptor(TYPE.PARAMETER_DATA, makeParameterData()),
    makeDescriptor(
      TYPE.SUPPORTED_DESCRIPTORS,
      Buffer.from([2, SEGMENT_TYPE_BLOCK_TO_BLOCK, CSCD_TYPE_IDENTIFICATION]),
    ),
    makeDescriptor(TYPE.SUPPORTED_CSCD_IDS, Buffer.alloc(2)), // none besides list indexes
    makeDescriptor(TYPE.GENERAL_COPY_OPERATIONS, makeGeneralCopyOperations()),
  ]);
}

/** Type (2), length (2), body, padded to a multiple of 4. */
function makeDescriptor(type: number, body: Buffer): Buffer {
  const descriptor = Buffer.alloc(4 + Math.ceil(body.length / 4) * 4);
  descriptor.writeUInt16BE(type, 0);
  descriptor.writeUInt16BE(descriptor.length - 4, 2);
  body.copy(descriptor, 4);
  return descriptor;
}

/** Length of the list, then for each operation code the list of its service actions. */
function makeCommands(): Buffer {
  const commands = [
    [OPCODE.EXTENDED_COPY, 1, SERVICE_ACTION.EXTENDED_COPY_LID1],
    [
      OPCODE.RECEIVE_COPY_RESULTS,
      2,
      SERVICE_ACTION.RECEIVE_COPY_STATUS_LID1,
      SERVICE_ACTION.RECEIVE_COPY_OPERATING_PARAMETERS,
    ],
  ].flat();
  return Buffer.from([commands.length, ...commands]);
}

function makeParameterData(): Buffer {
  const body = Buffer.alloc(28);
  body.writeUInt16BE(MAX_CSCD_DESCRIPTORS, 4);
  body.writeUInt16BE(MAX_COPY_SEGMENTS, 6);
  body.writeUInt32BE(MAX_DESCRIPTOR_LIST_BYTES, 8);
  return body;
}

function makeGeneralCopyOperations(): Buffer {
  const body = Buffer.alloc(32);
  body.writeUInt32BE(MAX_CONCURRENT_COPIES, 0);
  body.writeUInt32BE(MAX_CONCURRENT_COPIES, 4);
  body.writeUInt32BE(MAX_SEGMENT_BLOCKS * LOGICAL_BLOCK_BYTES, 8);
  body[12] = Math.log2(LOGICAL_BLOCK_BYTES);
  return body;
}
