import { type EventView, PLATFORM_NAMES, type VersionView } from '../../model/view.ts';
import { count, objectOf, oneOf, type Schema, text } from '../schema.ts';
import { ADDRESS, EMPTY, ERROR } from './common.ts';
import { NODE, NODE_CHANGE, NODE_COPY } from './node.ts';
import { MEMBERSHIP, MEMBERSHIP_CHANGE, MEMBERSHIP_CONFLICT, REGISTRATION } from './registry.ts';
import { RULE, RULE_CREATE, RULE_REPLACE } from './rule.ts';
import {
  CHAP_CREDENTIALS,
  COPY,
  SYNC_PROGRESS,
  VOLUME,
  VOLUME_CREATE,
  VOLUME_UPDATE,
} from './volume.ts';

const EVENT = objectOf<EventView>('A change of state in plain words.', {
  sequence: count('Counts events of this orchestrator.', { minimum: 1 }),
  time: text('ISO 8601.'),
  volume: ADDRESS,
  message: text('One sentence.'),
});

const VERSION_OF = objectOf<VersionView>('What answers.', {
  version: text('Of Keelson.'),
  platform: oneOf('Where controllers and replicas run.', PLATFORM_NAMES),
});

/** What is sent and answered, by the names that the document gives it. */
export const COMPONENTS = {
  ChapCredentials: CHAP_CREDENTIALS,
  Copy: COPY,
  Empty: EMPTY,
  Error: ERROR,
  Event: EVENT,
  Membership: MEMBERSHIP,
  MembershipChange: MEMBERSHIP_CHANGE,
  MembershipConflict: MEMBERSHIP_CONFLICT,
  Node: NODE,
  NodeChange: NODE_CHANGE,
  NodeCopy: NODE_COPY,
  Registration: REGISTRATION,
  Rule: RULE,
  RuleCreate: RULE_CREATE,
  RuleReplace: RULE_REPLACE,
  SyncProgress: SYNC_PROGRESS,
  Version: VERSION_OF,
  Volume: VOLUME,
  VolumeCreate: VOLUME_CREATE,
  VolumeUpdate: VOLUME_UPDATE,
} as const satisfies Readonly<Record<string, Schema>>;

export type ComponentName = keyof typeof COMPONENTS;
