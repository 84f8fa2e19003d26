import { eventually } from '../../support/child.ts';
import { apply, find, get, kubectl, list } from './kubectl.ts';

/** As much of these as the tests look at. */
export interface TestClaim {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly volumeName?: string };
  readonly status: {
    readonly phase: string;
    readonly capacity?: { readonly storage: string };
    readonly conditions?: readonly { readonly type: string; readonly message: string }[];
  };
}

export interface TestPersistentVolume {
  readonly metadata: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly capacity: { readonly storage: string };
    readonly iscsi: TestSource;
  } & Readonly<Record<string, unknown>>;
  readonly status: { readonly phase: string };
}

export interface TestSource {
  readonly targetPortal: string;
  readonly iqn: string;
  readonly lun: number;
  readonly fsType?: string;
  readonly chapAuthDiscovery?: boolean;
  readonly chapAuthSession?: boolean;
  readonly secretRef?: { readonly name: string; readonly namespace: string };
}

export interface TestVolume {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: {
    readonly portal?: string;
    readonly targetName?: string;
    readonly copies?: readonly { readonly replicaId: string; readonly node: string }[];
    readonly record?: { readonly spec: { readonly id: string } };
    readonly conditions?: readonly {
      readonly type: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

interface TestEvent {
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly kind: string; readonly name: string; readonly uid: string };
}

/** Pods start and end at their leisure on a busy machine. */
const LIMIT_MS = 150_000;

export interface ClaimWish {
  readonly name: string;
  readonly className: string;
  readonly size?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** The claims of one namespace, and what they become. */
export class Claims {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  async make({ name, className, size = '16Mi', labels = {}, spec = {} }: ClaimWish): Promise<void> {
    await apply({
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
      metadata: { namespace: this.#namespace, name, labels },
      spec: {
        ...{ storageClassName: className, accessModes: ['ReadWriteOnce'] },
        resources: { requests: { storage: size } },
        ...spec,
      },
    });
  }

  get(name: string): Promise<TestClaim> {
    return get<TestClaim>('pvc', name, this.#namespace);
  }

  /** The claim itself goes as soon as no pod uses it; what it had goes later. */
  async delete(name: string): Promise<void> {
    await kubectl('delete', 'pvc', name, '-n', this.#namespace, '--timeout=60s');
  }

  async patch(name: string, patch: object): Promise<void> {
    await kubectl('patch', 'pvc', name, '-n', this.#namespace, '-p', JSON.stringify(patch));
  }

  async whenBound(name: string): Promise<{ claim: TestClaim; pv: TestPersistentVolume }> {
    const claim = await this.when(name, 'bound', ({ status }) => status.phase === 'Bound');
    return { claim, pv: await get('pv', claim.spec.volumeName ?? '') };
  }

  when(name: string, what: string, is: (claim: TestClaim) => boolean): Promise<TestClaim> {
    return eventually(
      `claim ${name} is ${what}`,
      async () => {
        const claim = await this.get(name);
        return is(claim) ? claim : undefined;
      },
      { withinMs: LIMIT_MS, everyMs: 200 },
    );
  }

  /** What an Event of that reason says of the claim. */
  whenTold(name: string, reason: string, message: RegExp): Promise<string> {
    return eventually(
      `claim ${name} is told ${reason}: ${message}`,
      async () => {
        const { uid } = (await this.get(name)).metadata;
        const events = await list<TestEvent>('events', { namespace: this.#namespace });
        return events.find(
          (event) =>
            event.reason === reason &&
            event.involvedObject.uid === uid &&
            message.test(event.message),
        )?.message;
      },
      { withinMs: LIMIT_MS, everyMs: 200 },
    );
  }

  volume(name: string): Promise<TestVolume | undefined> {
    return find<TestVolume>('volumes.keelson.io', name, this.#namespace);
  }

  async whenVolume(name: string, what: string, is: (volume: TestVolume) => boolean) {
    return eventually(
      `Volume ${name} ${what}`,
      async () => {
        const volume = await this.volume(name);
        return volume !== undefined && is(volume) ? volume : undefined;
      },
      { withinMs: LIMIT_MS, everyMs: 200 },
    );
  }

  /** Resolves when neither a Volume nor a PersistentVolume of that name is left. */
  async whenGone(name: string): Promise<void> {
    await eventually(
      `${name} is gone`,
      async () => {
        const left = [await this.volume(name), await find('pv', name)];
        return left.every((object) => object === undefined) ? true : undefined;
      },
      { withinMs: LIMIT_MS, everyMs: 200 },
    );
  }
}

export interface ClassWish {
  readonly name: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly more?: Readonly<Record<string, unknown>>;
}

/** Its fields cannot be changed, so what is there of that name goes first. */
export async function makeClass({ name, parameters = {}, more = {} }: ClassWish): Promise<void> {
  await removeClass(name);
  await apply({
    ...{ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name } },
    ...{ provisioner: 'keelson.io', allowVolumeExpansion: true, parameters },
    ...more,
  });
}

export async function removeClass(name: string): Promise<void> {
  await kubectl('delete', 'storageclass', name, '--ignore-not-found');
}
