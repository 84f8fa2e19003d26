import type { Condition, VolumeObject } from '../../kubernetes/objects.ts';
import { parseSize } from '../../model/size.ts';
import { conditionsIn } from '../../operator/conditions.ts';
import { ACCEPTED } from '../../operator/verdict.ts';

/** What a provisioner reads in a Volume. */
export interface SeenVolume {
  readonly object: VolumeObject;
  /** Of its record; undefined until it is accepted. */
  readonly id: string | undefined;
  /** As its initiators see it; undefined until it is accepted. */
  readonly servedBytes: number | undefined;
  /** As `spec` wants it. */
  readonly wantedBytes: number | undefined;
  /** `address:port`; undefined until its Service has an address that a node can use. */
  readonly portal: string | undefined;
  /** Why its spec is not in force, in a sentence. */
  readonly refusal: string | undefined;
  readonly isGoing: boolean;
  /** Why it is not gone yet, in a sentence. */
  readonly inUse: string | undefined;
}

/** A name is of no use in a PersistentVolume: nodes do not ask the cluster's own name server. */
const ADDRESS_AND_PORT = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]{2,45}\]):\d{1,5}$/;

/** Nothing of it is believed to be there: a status is what somebody wrote. */
export function seeVolume(object: VolumeObject): SeenVolume {
  const { status, spec, metadata } = object;
  const record = fieldsOf(status?.record);
  const { id } = fieldsOf(record.spec);
  const { sizeBytes } = fieldsOf(record.membership);
  const portal = status?.portal;
  return {
    object,
    id: typeof id === 'string' ? id : undefined,
    servedBytes: Number.isSafeInteger(sizeBytes) ? (sizeBytes as number) : undefined,
    wantedBytes: readSize(spec?.size),
    portal: typeof portal === 'string' && ADDRESS_AND_PORT.test(portal) ? portal : undefined,
    refusal: messageIn(object, { type: ACCEPTED, status: 'False' }),
    isGoing: metadata.deletionTimestamp !== undefined,
    inUse: messageIn(object, { type: 'InUse', status: 'True' }),
  };
}

function messageIn(
  { status }: VolumeObject,
  sought: Pick<Condition, 'type' | 'status'>,
): string | undefined {
  return conditionsIn(status).find((condition) => {
    return condition.type === sought.type && condition.status === sought.status;
  })?.message;
}

function readSize(size: unknown): number | undefined {
  try {
    return parseSize(String(size));
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
