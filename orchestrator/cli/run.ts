import { randomBytes } from 'node:crypto';
import { unreachable } from '../../replica/common/assert.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { VolumeUpdate } from '../model/update.ts';
import { addressOf } from '../model/volume.ts';
import { type Command, HELP } from './arguments.ts';
import { readChapFile } from './chap-file.ts';
import { formatNodes, formatVolume, formatVolumes } from './format.ts';
import { watch } from './watch.ts';

export interface Terminal {
  write(text: string): void;
  /** Lines can be drawn again. */
  readonly isInteractive: boolean;
  /** Ends a watch. */
  readonly signal: AbortSignal;
}

/** As much as RFC 7143 section 12.1.3 asks for means to make; 32 characters as text. */
const CHAP_SECRET_BYTES = 16;

/** Carries out one command. Errors: those of the client. */
export async function runCommand(
  command: Command,
  client: ApiClient,
  terminal: Terminal,
): Promise<void> {
  const isJson = command.output === 'json';
  const print = (value: unknown, table: string) =>
    terminal.write(isJson ? `${JSON.stringify(value, null, 2)}\n` : table);
  switch (command.kind) {
    case 'help':
      terminal.write(HELP);
      return;
    case 'volume create': {
      const { volume, size, labels, chapFile } = command;
      const chap = chapFile === undefined ? {} : { chap: await readChapFile(chapFile) };
      const wish = { ...volume, labels, ...chap, ...(size === undefined ? {} : { size }) };
      print(await client.createVolume(wish), `${addressOf(volume)}\n`);
      return;
    }
    case 'volume ls': {
      const volumes = await client.volumes(command.namespace);
      print(volumes, formatVolumes(volumes));
      return;
    }
    case 'volume inspect': {
      const volume = await client.volume(command.volume);
      print(volume, formatVolume(volume));
      return;
    }
    case 'volume update': {
      const { volume, labelsAdd, labelsRemove, size, chapFile } = command;
      const sized = size === undefined ? {} : { size };
      const update = { labelsAdd, labelsRemove, ...sized, ...(await chapIn(chapFile)) };
      const updated = await client.updateVolume(volume, update);
      print(updated, `${addressOf(volume)}\n`);
      return;
    }
    case 'volume rm':
      await client.deleteVolume(command.volume, { isForced: command.isForced });
      print({ deleted: addressOf(command.volume) }, `${addressOf(command.volume)}\n`);
      return;
    case 'volume watch':
      await watch(command, client, terminal);
      return;
    case 'chap secret': {
      const secret = randomBytes(CHAP_SECRET_BYTES).toString('hex');
      print({ secret }, `${secret}\n`);
      return;
    }
    case 'node ls': {
      const nodes = await client.nodes();
      print(nodes, formatNodes(nodes));
      return;
    }
    case 'node cordon':
    case 'node uncordon': {
      const node = await client.changeNode(command.node, {
        isCordoned: command.kind === 'node cordon',
      });
      print(node, `${command.node}\n`);
      return;
    }
    default:
      unreachable(command, 'command');
  }
}

async function chapIn(file: string | null | undefined): Promise<Pick<VolumeUpdate, 'chap'>> {
  if (file === undefined) return {};
  return { chap: file === null ? null : await readChapFile(file) };
}
