import { CHAP_MODES, type ChapCredentials } from '../../../controller/protocol/chap-credentials.ts';
import { COPY_STATES } from '../../../controller/protocol/membership.ts';
import { FAILURE_MODES, MAX_INITIATORS } from '../../../controller/protocol/registration.ts';
import type { Health, SyncProgress } from '../../../controller/protocol/status.ts';
import { MAX_COPIES, MAX_REPLICAS } from '../../../replica/common/limits.ts';
import type { PolicyField } from '../../model/labels.ts';
import { SIZE } from '../../model/size.ts';
import { MAX_REMOVED_LABELS, type VolumeUpdate } from '../../model/update.ts';
import { type CopyView, PROCESS_STATES, type VolumeView } from '../../model/view.ts';
import { count, flag, listOf, objectOf, oneOf, orNull, ref, type Schema, text } from '../schema.ts';
import { dnsLabel, labels } from './common.ts';

const SIZE_TEXT = text('A number of GiB, or a quantity: `15`, `15Gi`, `500M`, `1.5Ti`.', {
  pattern: SIZE.source,
  maxLength: 32,
});

/** What creates a volume. */
interface VolumeBody {
  readonly namespace?: string;
  readonly name: string;
  readonly size?: string;
  readonly labels?: object;
  readonly defaults?: object;
  readonly chap?: ChapCredentials | null;
  readonly preferredNode?: string;
}

export const VOLUME_CREATE = objectOf<VolumeBody>(
  'A volume that is wanted.',
  {
    namespace: dnsLabel('Where it lies.', { default: 'default' }),
    name: dnsLabel('Unique in its namespace.'),
    size: { ...SIZE_TEXT, default: '1Gi' },
    labels: labels('Its own labels; those that decide something go before every rule.'),
    defaults: labels(
      'Labels of the driver or the class that makes it: they count where nothing else decides.',
    ),
    chap: orNull(ref('ChapCredentials')),
    preferredNode: {
      type: 'string',
      description: 'The node of the first copy, if it takes copies. Of no meaning later.',
      minLength: 1,
      maxLength: 253,
    },
  },
  ['namespace', 'size', 'labels', 'defaults', 'chap', 'preferredNode'],
);

type UpdateBody = Partial<VolumeUpdate>;

export const VOLUME_UPDATE = objectOf<UpdateBody>(
  'What to change on a live volume; what is not named stays.',
  {
    labelsAdd: labels(
      'Labels to set; each takes the place of every other name for the same thing.',
    ),
    labelsRemove: listOf(
      { type: 'string', minLength: 1, maxLength: 1024 },
      { description: 'Labels to take away.', maxItems: MAX_REMOVED_LABELS },
    ),
    size: { ...SIZE_TEXT, description: 'As at the creation. A volume only grows.' },
    chap: orNull(ref('ChapCredentials')),
  },
  ['labelsAdd', 'labelsRemove', 'size', 'chap'],
);

const CHAP_USER: Schema = {
  description: 'A name and its secret.',
  type: 'object',
  properties: {
    name: text('Printable, without spaces.', { minLength: 1, maxLength: 255 }),
    secret: text('12 to 255 characters, printable, without spaces. No answer ever shows it.'),
  },
  required: ['name', 'secret'],
};

export const CHAP_CREDENTIALS: Schema = {
  description: 'What initiators must prove at a login. Never part of an answer.',
  type: 'object',
  properties: {
    users: listOf(CHAP_USER, { description: 'Each may log in.', minItems: 1, maxItems: 16 }),
    mutual: orNull(CHAP_USER),
    allowsShortSecrets: flag('Allow secrets of less than 96 bits.', { default: false }),
  },
  required: ['users'],
};

const HEALTHS: readonly Health[] = ['healthy', 'degraded', 'unavailable'];

const ORIGIN = text('`label NAME`, `rule NAMESPACE/NAME`, `defaults` or `built in`.');

export const VOLUME = objectOf<VolumeView>('A volume as it is.', {
  id: text('Random: another volume of the same name has another one.'),
  namespace: dnsLabel('Where it lies.'),
  name: dnsLabel('Unique in its namespace.'),
  sizeBytes: count('As it is to be.'),
  servedBytes: count('As its initiators see it: smaller until every copy has grown.'),
  replicas: count('Copies besides the first.', { maximum: MAX_REPLICAS }),
  failureMode: oneOf('When I/O is allowed while copies are missing.', FAILURE_MODES),
  failureTolerance: count('Copies that may be missing in soft mode.', {
    maximum: MAX_REPLICAS - 1,
  }),
  labels: labels('Its own labels, as they were given.'),
  defaults: labels('Of the driver or the class that made it.'),
  origins: objectOf<Record<PolicyField, string>>('What decided each part of the policy.', {
    replicas: ORIGIN,
    failureMode: ORIGIN,
    failureTolerance: ORIGIN,
    initiators: ORIGIN,
    allowsSanitize: ORIGIN,
  }),
  chap: oneOf('What initiators must prove, without how.', CHAP_MODES),
  initiators: listOf(text('An iSCSI name.'), {
    description: 'Names that may log in; none: all.',
    maxItems: MAX_INITIATORS,
  }),
  isDeleting: flag('It is being deleted.'),
  health: oneOf('`unavailable`: the failure mode forbids I/O, or nobody serves it.', HEALTHS),
  notes: listOf(text('A sentence.'), {
    description: 'What keeps it from what it should be, in plain words.',
  }),
  portal: text('`host:port` of the iSCSI portal.'),
  targetName: text('The iSCSI name of the target; the volume is LUN 0.'),
  membership: objectOf<VolumeView['membership']>('Counters of the membership record.', {
    version: count('Changes of the record.'),
    epoch: count('Controllers.'),
    generation: count('Changes of the in-sync set.'),
  }),
  controller: objectOf<VolumeView['controller']>('The one that serves it.', {
    process: oneOf('Its process.', PROCESS_STATES),
    sessions: orNull(count('Initiators that are logged in; null when it does not answer.')),
  }),
  copies: listOf(ref('Copy'), { maxItems: MAX_COPIES * 2 }),
});

export const COPY = objectOf<CopyView>(
  'One full set of the data of a volume.',
  {
    replicaId: text('Unique in the volume, never used again.'),
    node: dnsLabel('Where it lies, for as long as it exists.'),
    state: oneOf('As the membership record has it.', COPY_STATES),
    process: oneOf('Its replica process.', PROCESS_STATES),
    isConnected: flag('The controller is connected to it.'),
    isPrimary: flag('The controller reads from it.'),
    isLeaving: flag('It is to go; it stays until another one is in-sync.'),
    sync: ref('SyncProgress'),
  },
  ['sync'],
);

export const SYNC_PROGRESS = objectOf<SyncProgress>('How far a syncing copy is.', {
  doneBytes: count('Dealt with.'),
  totalBytes: count('To deal with.'),
  differenceBytes: count('Known to differ, and not moved yet.'),
  bytesPerSecond: count('The rate.'),
  etaSeconds: count('Left; 0 also while there is no rate yet to tell it from.'),
});
