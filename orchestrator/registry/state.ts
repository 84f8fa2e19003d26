import { decodeChapOrNull } from '../../controller/protocol/chap-credentials.ts';
import { decodeMembership } from '../../controller/protocol/membership.ts';
import { decodeVolumeSpec } from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { MAX_COPIES, MAX_REPLICAS } from '../../replica/common/limits.ts';
import {
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readString,
  readStrings,
} from '../../replica/common/validate.ts';
import type { StartedInstance } from '../model/instance.ts';
import { decodeLabels } from '../model/labels.ts';
import { MAX_NODES, MAX_SLOTS } from '../model/layout.ts';
import type { NodeRecord } from '../model/node.ts';
import { decodeOrigins, resolvePolicy } from '../model/policy.ts';
import { decodeRule, MAX_RULES, type Rule, showRule } from '../model/rule.ts';
import { addressOf, type VolumeRecord } from '../model/volume.ts';

/** What the state file holds. */
export interface State {
  /** Random; the markers in the nodes' directories carry it. */
  readonly installationId: string;
  /** In the order of their numbers. */
  readonly nodes: readonly NodeRecord[];
  /** By `namespace/name`. */
  readonly volumes: ReadonlyMap<string, VolumeRecord>;
  /** Sorted by `namespace/name`. */
  readonly rules: readonly Rule[];
  /** By `namespace/name`: what is declared and has no record, where somebody else keeps both. */
  readonly faults: ReadonlyMap<string, RecordFault>;
  /** Oldest first. Whoever is not among them and not in `goneInstances` may well be alive. */
  readonly startedInstances: readonly StartedInstance[];
}

/** Why what is declared as a volume has no record. */
export interface RecordFault {
  /** `new`: nobody has given it one yet. `damaged`: it had one, and must never get another. */
  readonly kind: 'new' | 'damaged';
  /** In one sentence. */
  readonly message: string;
}

/** As many as a registration may tell (registration.ts); older ones hold no lease any more. */
export const MAX_GONE_INSTANCES = 64;

/** One a volume runs at a time; the rest are those whose end cannot be proved (plan/fate.ts). */
export const MAX_STARTED_INSTANCES = 4 * MAX_SLOTS;

const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER };

export function encodeState({ faults: _, ...state }: State): string {
  const volumes = [...state.volumes.values()];
  const rules = state.rules.map(showRule);
  return `${JSON.stringify({ ...state, volumes, rules }, null, 1)}\n`;
}

/** Errors: INVALID_ARGUMENT, when another program wrote it. */
export function decodeState(value: unknown): State {
  const fields = readObject(value, 'state');
  const volumes = new Map<string, VolumeRecord>();
  const slots = new Set<number>();
  for (const entry of readArray(fields, 'volumes', MAX_SLOTS)) {
    const record = decodeRecord(entry, { slots: MAX_SLOTS, removed: MAX_NODES });
    const address = addressOf(record.spec);
    if (volumes.has(address) || slots.has(record.slot)) {
      throw new KeelsonError('INVALID_ARGUMENT', `state: ${address} or its slot is there twice`);
    }
    volumes.set(address, record);
    slots.add(record.slot);
  }
  return {
    installationId: readString(fields, 'installationId', 64),
    nodes: readArray(fields, 'nodes', MAX_NODES).map((node, index) => decodeNode(node, index + 1)),
    volumes,
    faults: new Map(),
    // States from before there were rules have none.
    rules: readArray({ rules: fields.rules ?? [] }, 'rules', MAX_RULES).map(decodeRule),
    startedInstances: readArray(fields, 'startedInstances', MAX_STARTED_INSTANCES).map(
      decodeInstance,
    ),
  };
}

function decodeInstance(value: unknown): StartedInstance {
  const fields = readObject(value, 'started instance');
  const process = readObject(fields.process, 'process');
  return {
    volume: readString(fields, 'volume'),
    instanceId: readString(fields, 'instanceId'),
    process: {
      bootId: readString(process, 'bootId'),
      pidNamespace: readString(process, 'pidNamespace'),
      pid: readInteger(process, 'pid', { ...COUNT, min: 1 }),
      startTicks: readInteger(process, 'startTicks', COUNT),
    },
  };
}

/** States from before nodes had other names than node1, node2 … have no numbers. */
function decodeNode(value: unknown, defaultNumber: number): NodeRecord {
  const fields = { number: defaultNumber, isDraining: false, ...readObject(value, 'node') };
  return {
    name: readString(fields, 'name', 64),
    number: readInteger(fields, 'number', { min: 1, max: MAX_NODES }),
    isCordoned: readBoolean(fields, 'isCordoned'),
    isDraining: readBoolean(fields, 'isDraining'),
    isPrepared: readBoolean(fields, 'isPrepared'),
  };
}

/** @param limits exclusive of slots, inclusive of removed copies. Errors: INVALID_ARGUMENT. */
export function decodeRecord(
  value: unknown,
  limits: { readonly slots: number; readonly removed: number },
): VolumeRecord {
  const fields = readObject(value, 'volume record');
  const labels = decodeLabels(fields.labels);
  const defaults = decodeLabels(fields.defaults ?? {});
  return {
    // States from before there were access rules have none; their volumes are open to all, as ever.
    spec: decodeVolumeSpec({
      ...{ initiators: [], allowsSanitize: false },
      ...readObject(fields.spec, 'spec'),
    }),
    chap: decodeChapOrNull(fields.chap ?? null),
    labels,
    defaults,
    origins: decodeOrigins(
      fields.origins ?? resolvePolicy({ labels, rules: [], defaults }).origins,
    ),
    slot: readInteger(fields, 'slot', { min: 0, max: limits.slots - 1 }),
    secret: readString(fields, 'secret', 64),
    isDeleting: readBoolean(fields, 'isDeleting'),
    membership: decodeMembership(fields.membership),
    establishedReplicas: readInteger(fields, 'establishedReplicas', { min: 0, max: MAX_REPLICAS }),
    revision: readInteger(fields, 'revision', COUNT),
    nextReplicaNumber: readInteger(fields, 'nextReplicaNumber', { ...COUNT, min: 1 }),
    leaving: readStrings(fields, 'leaving', MAX_COPIES * 2),
    removed: readArray(fields, 'removed', limits.removed).map((entry) => {
      const copy = readObject(entry, 'removed copy');
      return { replicaId: readString(copy, 'replicaId'), node: readString(copy, 'node') };
    }),
    goneInstances: readStrings(fields, 'goneInstances', MAX_GONE_INSTANCES),
  };
}
