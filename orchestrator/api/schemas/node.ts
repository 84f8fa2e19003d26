import { COPY_STATES } from '../../../controller/protocol/membership.ts';
import type { NodeUse } from '../../model/node.ts';
import type { NodeCopyView, NodeView } from '../../model/view.ts';
import { count, flag, listOf, objectOf, oneOf, orNull, ref, text } from '../schema.ts';
import { ADDRESS, dnsLabel } from './common.ts';

export const NODE = objectOf<NodeView>('A place with its own disk.', {
  name: dnsLabel('Unique in the installation.'),
  address: text('Where its replicas are reached, for people.'),
  directory: text('Where the copies lie on it.'),
  copyCount: count('Copies of all volumes that it holds.'),
  copies: listOf(ref('NodeCopy'), { description: 'Those copies, sorted by volume.' }),
  isCordoned: flag('No new copies go there.'),
  isDraining: flag('Its copies move to other nodes; it is cordoned as well.'),
  downReason: orNull(text('Why nothing can be started there; null when it can.')),
});

export const NODE_COPY = objectOf<NodeCopyView>('A copy on a node.', {
  volume: ADDRESS,
  replicaId: text('Unique in the volume.'),
  state: oneOf('As the membership record has it.', COPY_STATES),
});

export const NODE_CHANGE = {
  ...objectOf<Partial<NodeUse>>(
    'How a node is to be used; what is not named stays.',
    {
      isCordoned: flag('Keep new copies off it. `false` ends draining, too.'),
      isDraining: flag('Move its copies to other nodes. `true` cordons it, too.'),
    },
    ['isCordoned', 'isDraining'],
  ),
  minProperties: 1,
};
