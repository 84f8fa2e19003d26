import {
  COPY_STATES,
  type ControllerIdentity,
  type Copy,
  type Membership,
} from '../../../controller/protocol/membership.ts';
import {
  FAILURE_MODES,
  MAX_INITIATORS,
  type Registration,
  type ReplicaAddress,
  type VolumeSpec,
} from '../../../controller/protocol/registration.ts';
import { BLOCK_BYTES, MAX_COPIES, MAX_REPLICAS } from '../../../replica/common/limits.ts';
import { MAX_GENERATION } from '../../../replica/protocol/stamps.ts';
import { count, flag, listOf, objectOf, oneOf, orNull, ref, text, tolerant } from '../schema.ts';
import { dnsLabel, ERROR_FIELD, type ErrorBody } from './common.ts';

const NAME = { minLength: 1, maxLength: 1024 };

const COPY_RECORD = objectOf<Copy>('A copy, as the record has it.', {
  node: text('Where it lies.', NAME),
  dataId: orNull(text('Of its directory; null until a controller saw it.', NAME)),
  state: oneOf('What it counts for.', COPY_STATES),
  generation: count('Since when it is in-sync, or what it has.', { maximum: MAX_GENERATION }),
  session: count('The highest that a controller has seen.'),
});

export const MEMBERSHIP = objectOf<Membership>('Who may write, and which copies count.', {
  version: count('The token of the compare-and-swap: each change adds 1.', { minimum: 1 }),
  epoch: count('Counts controllers.'),
  controller: orNull(
    objectOf<ControllerIdentity>('The holder of the epoch.', {
      instanceId: text('What it calls itself.', NAME),
      address: text('`host:port` of its portal.', NAME),
    }),
  ),
  generation: count('Counts changes of the in-sync set.', { maximum: MAX_GENERATION }),
  losses: count('How often the volume owned up to a power loss.'),
  sizeBytes: count('As its initiators see it.', { minimum: BLOCK_BYTES }),
  copies: {
    description: 'By replica id.',
    type: 'object',
    additionalProperties: COPY_RECORD,
    maxProperties: MAX_COPIES * 2,
  },
});

/** As a controller sends it. */
export const MEMBERSHIP_CHANGE = tolerant(MEMBERSHIP);

interface Conflict extends ErrorBody {
  readonly membership: Membership;
}

export const MEMBERSHIP_CONFLICT = objectOf<Conflict>('A change that came too late.', {
  error: ERROR_FIELD,
  membership: ref('Membership'),
});

const SPEC = objectOf<VolumeSpec>('The volume as it is to be.', {
  id: text('Random.'),
  namespace: dnsLabel('Where it lies.'),
  name: dnsLabel('Unique in its namespace.'),
  sizeBytes: count('As it is to be.'),
  replicas: count('Replicas that the failure mode counts on.', { maximum: MAX_REPLICAS }),
  failureMode: oneOf('When I/O is allowed while copies are missing.', FAILURE_MODES),
  failureTolerance: count('Copies that may be missing.', { maximum: MAX_REPLICAS - 1 }),
  initiators: listOf(text('An iSCSI name.'), { maxItems: MAX_INITIATORS }),
  allowsSanitize: flag('SANITIZE is carried out.'),
});

export const REGISTRATION = objectOf<Registration>('What a controller must know.', {
  revision: count('Rises with every change of it.'),
  volume: SPEC,
  membership: ref('Membership'),
  addresses: {
    description: 'Where each replica is reached, by replica id.',
    type: 'object',
    additionalProperties: objectOf<ReplicaAddress>('Of the replication protocol.', {
      host: text('An address or a name.'),
      port: count('A TCP port.', { minimum: 1, maximum: 65535 }),
    }),
  },
  leaving: listOf(text('A replica id.'), { description: 'In-sync copies that shall go.' }),
  goneInstances: listOf(text('An instance id.'), {
    description: 'Controllers whose process has ended.',
  }),
  chap: orNull(ref('ChapCredentials')),
});
