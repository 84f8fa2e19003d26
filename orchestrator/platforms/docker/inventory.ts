import { type ContainerIdentity, readIdentity } from './container-labels.ts';

/** A container of ours as it was found on an engine. */
export interface Found extends ContainerIdentity {
  readonly id: string;
  readonly isLive: boolean;
  /** It was never started. */
  readonly isNew: boolean;
  readonly createdAtSeconds: number;
}

/** What to make of the containers that were found. */
export interface Inventory {
  /** One a process: the newest. */
  readonly live: readonly Found[];
  /** Controllers that were made ahead of time, one a process. */
  readonly spares: readonly Found[];
  /** Replicas that are down, one a process. */
  readonly idle: readonly Found[];
  /** Controllers that have ended, the last one of each process: kept for its log. */
  readonly ended: readonly Found[];
  /** Those of the addresses of controllers, all of them. */
  readonly holders: readonly Found[];
  /** Nobody needs them: jobs, second ones, those of volumes that are not there any more. */
  readonly orphans: readonly string[];
}

export interface Listed {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: string;
  readonly isLive: boolean;
  readonly createdAtSeconds: number;
}

/** @param isWanted whether there is such a process, of that very volume */
export function takeInventory(
  listed: readonly Listed[],
  isWanted: (identity: ContainerIdentity) => boolean,
): Inventory {
  const orphans: string[] = [];
  const found: Found[] = [];
  for (const { id, labels, state, isLive, createdAtSeconds } of listed) {
    const identity = readIdentity(labels);
    if (identity === undefined || !isWanted(identity)) orphans.push(id);
    else found.push({ ...identity, id, isLive, isNew: state === 'created', createdAtSeconds });
  }
  const newest = (group: readonly Found[]): Found[] =>
    [...Map.groupBy(group, ({ key }) => key).values()].map((same) => {
      const [first, ...others] = same.toSorted((a, b) => b.createdAtSeconds - a.createdAtSeconds);
      orphans.push(...others.map(({ id }) => id));
      return first as Found;
    });
  const controllers = found.filter(({ role }) => role === 'controller');
  const replicas = found.filter(({ role }) => role === 'replica');
  const holders = found.filter(({ role }) => role === 'holder');
  const live = newest([...controllers, ...replicas].filter(({ isLive }) => isLive));
  const isBesideLive = ({ key }: Found) => live.some((one) => one.key === key);
  const idle = newest(replicas.filter(({ isLive }) => !isLive));
  orphans.push(...idle.filter(isBesideLive).map(({ id }) => id));
  return {
    live,
    spares: newest(controllers.filter(({ isLive, isNew }) => !isLive && isNew)),
    idle: idle.filter((one) => !isBesideLive(one)),
    ended: newest(controllers.filter(({ isLive, isNew }) => !isLive && !isNew)),
    ...{ holders, orphans },
  };
}
