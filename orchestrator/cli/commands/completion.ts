import { listOf } from '../arguments.ts';
import { type Command, defineCommand } from '../command.ts';
import { COMPLETION_SCRIPTS } from '../completion-scripts.ts';
import { UsageError } from '../errors.ts';
import { nameIn } from '../values.ts';

const SHELLS = Object.keys(COMPLETION_SCRIPTS);

const completion = defineCommand({
  words: 'completion',
  about: 'print what makes a shell complete keelson commands and names',
  operand: { value: SHELLS.join('|'), what: 'shell', count: 'one', completes: SHELLS },
  options: {},
  details: `Put the first of these into ~/.bashrc, or the second into ~/.zshrc behind compinit. Names of volumes, rules
and nodes come from the orchestrator, if it answers within a second.`,
  example: `source <(keelson completion bash)
source <(keelson completion zsh)`,
  async run(call) {
    const shell = nameIn(call);
    const script = Object.hasOwn(COMPLETION_SCRIPTS, shell) ? COMPLETION_SCRIPTS[shell] : undefined;
    if (script === undefined) {
      throw new UsageError(`completion: expected ${listOf(SHELLS)}, got ${shell}`, 'completion');
    }
    call.terminal.out.write(script);
  },
});

export const COMPLETION_COMMANDS: readonly Command[] = [completion];
