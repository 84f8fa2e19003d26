import { VERSION } from '../../model/version.ts';
import { type Command, defineCommand } from '../command.ts';
import { print } from '../output.ts';

const version = defineCommand({
  words: 'version',
  about: 'print the version of this command and of the orchestrator',
  options: { client: { type: 'flag', about: 'of this command alone; no orchestrator is asked' } },
  example: `keelson version
keelson version --client -o json`,
  async run(call) {
    const own = { client: VERSION };
    if (call.given.client) return print(call, own, { table: `client        ${VERSION}\n` });
    const client = await call.connect();
    const orchestrator = await client.version();
    const { version: theirs, platform } = orchestrator;
    const table = `client        ${VERSION}\norchestrator  ${theirs}, platform ${platform}\n`;
    await print(call, { ...own, orchestrator }, { table });
  },
});

export const VERSION_COMMANDS: readonly Command[] = [version];
