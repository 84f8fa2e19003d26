import type { FuzzTarget } from '../target.ts';
import { iscsiFramer } from './iscsi-framer.ts';
import { iscsiSession } from './iscsi-session.ts';
import { login } from './login.ts';
import { MESSAGES } from './messages.ts';
import { hotExtents, journal, metadataRecord, regionMap } from './records.ts';
import { replication } from './replication.ts';
import { scsi } from './scsi.ts';
import { textKeys } from './text-keys.ts';

/** Everything that takes bytes from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  ...[iscsiFramer, textKeys, login, iscsiSession, scsi, replication],
  ...[metadataRecord, regionMap, hotExtents, journal, ...MESSAGES],
];
