import type { Command } from '../command.ts';
import { APPLY_COMMANDS } from './apply.ts';
import { CHAP_COMMANDS } from './chap.ts';
import { COMPLETION_COMMANDS } from './completion.ts';
import { EVENT_COMMANDS } from './events.ts';
import { HELP_COMMANDS } from './help.ts';
import { NODE_COMMANDS } from './node.ts';
import { RULE_COMMANDS } from './rule.ts';
import { VERSION_COMMANDS } from './version.ts';
import { VOLUME_COMMANDS } from './volume.ts';

/** All that `keelson` can do, in the order in which help tells it. */
export const COMMANDS: readonly Command[] = [
  ...VOLUME_COMMANDS,
  ...RULE_COMMANDS,
  ...NODE_COMMANDS,
  ...APPLY_COMMANDS,
  ...EVENT_COMMANDS,
  ...CHAP_COMMANDS,
  ...VERSION_COMMANDS,
  ...COMPLETION_COMMANDS,
  ...HELP_COMMANDS,
];
