import { type Command, defineCommand } from '../command.ts';
import { UsageError } from '../errors.ts';
import { showNode, showNodes } from '../format-node.ts';
import { print } from '../output.ts';
import { nameIn, parseDuration } from '../values.ts';
import { waitForDrain } from '../wait-for-drain.ts';
import { waitFor } from '../waiting.ts';

const NODE = { value: 'NODE', what: 'node', count: 'one', completes: 'node' } as const;

const ls = defineCommand({
  words: 'node ls',
  about: 'list nodes',
  options: {},
  details: 'With -o wide also the volumes that have a copy there.',
  example: 'keelson node ls -o wide',
  async run(call) {
    const client = await call.connect();
    const nodes = await client.nodes();
    await print(call, nodes, showNodes(nodes));
  },
});

const inspect = defineCommand({
  words: 'node inspect',
  about: 'tell everything about a node, its copies included',
  operand: NODE,
  options: {},
  example: 'keelson node inspect node2',
  async run(call) {
    const client = await call.connect();
    const node = await client.node(nameIn(call));
    await print(call, node, showNode(node));
  },
});

const cordon = defineCommand({
  words: 'node cordon',
  about: 'no new copies there; those that it has stay',
  operand: NODE,
  options: {},
  example: 'keelson node cordon node2',
  async run(call) {
    const client = await call.connect();
    const node = await client.changeNode(nameIn(call), { isCordoned: true });
    await print(call, node, { table: `${node.name}\n` });
  },
});

const drain = defineCommand({
  words: 'node drain',
  about: 'move the copies of a node to others, and wait until none is left',
  operand: NODE,
  options: {
    'no-wait': { type: 'flag', about: 'come back at once' },
    timeout: {
      type: 'text',
      value: 'TIME',
      about: 'wait for at most 90s, 5m, 2h; default: no limit',
    },
  },
  details: `A copy goes when another one is in sync in its place, so no volume has fewer of them meanwhile. Ctrl-C ends
the wait and not the draining; keelson node uncordon does.`,
  example: 'keelson node drain node2 --timeout 30m',
  async run(call) {
    const { given, terminal } = call;
    const name = nameIn(call);
    if (given['no-wait'] && given.timeout !== undefined) {
      throw new UsageError('give --no-wait or --timeout, not both', drain.words);
    }
    const timeoutMs =
      given.timeout === undefined ? undefined : parseDuration('timeout', given.timeout);
    const client = await call.connect();
    let node = await client.changeNode(name, { isDraining: true });
    if (!given['no-wait']) {
      await waitFor(waitForDrain(client, name), terminal, timeoutMs);
      node = await client.node(name);
    }
    await print(call, node, { table: `${name}\n` });
  },
});

const uncordon = defineCommand({
  words: 'node uncordon',
  about: 'let copies come again, and end a drain',
  operand: NODE,
  options: {},
  example: 'keelson node uncordon node2',
  async run(call) {
    const client = await call.connect();
    const node = await client.changeNode(nameIn(call), { isCordoned: false });
    await print(call, node, { table: `${node.name}\n` });
  },
});

const rm = defineCommand({
  words: 'node rm',
  about: 'forget a node that holds no copies',
  operand: NODE,
  options: {
    force: {
      type: 'flag',
      short: 'f',
      about: 'even with copies, which count as lost; never with one that is in sync',
    },
  },
  details: 'Drain it first. --force is for a node that is down and will never come back.',
  example: 'keelson node rm node2',
  async run(call) {
    const name = nameIn(call);
    const client = await call.connect();
    await client.removeNode(name, { isForced: call.given.force });
    await print(call, { deleted: name }, { table: `${name}\n` });
  },
});

export const NODE_COMMANDS: readonly Command[] = [ls, inspect, cordon, drain, uncordon, rm];
