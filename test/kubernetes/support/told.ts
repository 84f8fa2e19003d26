import type { VolumeName } from '../../../orchestrator/model/volume.ts';
import { eventually } from '../../support/child.ts';
import { get, list } from './kubectl.ts';

/** A Volume as `kubectl get -o json` shows it. */
export interface VolumeObject {
  readonly status?: {
    readonly record?: unknown;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

interface Event {
  readonly involvedObject: { readonly name: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** What was refused is tried again after 30 s at the latest; pods take that long on a busy machine. */
const LIMIT = { withinMs: 120_000, everyMs: 200 };

export function readVolume({ namespace, name }: VolumeName): Promise<VolumeObject> {
  return get<VolumeObject>('volumes.keelson.io', name, namespace);
}

/** Waits for a condition that reads, as `True Accepted: its spec is in force`, like that. */
export async function becomes(
  volume: VolumeName,
  expected: RegExp,
  type = 'Accepted',
): Promise<void> {
  await eventually(
    `${type} of ${volume.name} is ${expected}`,
    async () => {
      const { status } = await readVolume(volume);
      const found = status?.conditions?.find((condition) => condition.type === type);
      const text = `${found?.status} ${found?.reason}: ${found?.message}`;
      if (!expected.test(text)) throw new Error(`it is ${text}`);
      return true;
    },
    LIMIT,
  );
}

/** Waits for an Event that reads, as `Warning NoRoom: place 6 copies`, like that. */
export async function isTold({ namespace, name }: VolumeName, expected: RegExp): Promise<void> {
  await eventually(
    `an event about ${name} says ${expected}`,
    async () => {
      const events = await list<Event>('events', { namespace });
      return events.find(({ involvedObject, type, reason, message }) => {
        return involvedObject.name === name && expected.test(`${type} ${reason}: ${message}`);
      });
    },
    LIMIT,
  );
}
