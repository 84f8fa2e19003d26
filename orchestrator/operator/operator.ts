import type { Change } from '../kubernetes/kube-api.ts';
import { addressOfObject } from '../kubernetes/object-name.ts';
import type { Condition, KubeNode, RuleObject, VolumeObject } from '../kubernetes/objects.ts';
import { VOLUMES } from '../kubernetes/resources.ts';
import type { EventView } from '../model/view.ts';
import { addressOf } from '../model/volume.ts';
import { Admission } from './admission.ts';
import { isSameJson } from './canonical.ts';
import { ChapSecrets } from './chap-secrets.ts';
import { DisruptionBudgets } from './disruption-budgets.ts';
import { eventKindOf } from './event-kind.ts';
import { EventWriter } from './event-writer.ts';
import type { Operator, OperatorOptions } from './options.ts';
import { Pace } from './pace.ts';
import { RuleAdmission } from './rule-admission.ts';
import { StatusWriter } from './status-writer.ts';
import { Subjects } from './subjects.ts';
import { isSameWish } from './wish.ts';

/** In all: what people look at is worth little to the API server. */
const STATUS_PATCHES_PER_SECOND = 5;

/** Many volumes change together, and how many of them a rule selects can wait. */
const COUNT_AFTER_MS = 1_000;

/**
 * What makes `kubectl` a user interface: Volumes and Rules as people write them are carried out or
 * refused with a reason, and what becomes of them is in their status and in Events.
 */
export function startOperator(options: OperatorOptions): Operator {
  return new KubeOperator(options);
}

class KubeOperator implements Operator {
  readonly #options: OperatorOptions;
  readonly #pace = new Pace(STATUS_PATCHES_PER_SECOND);
  readonly #subjects = new Subjects();
  readonly #events: EventWriter;
  readonly #chapSecrets: ChapSecrets;
  readonly #admission: Admission;
  readonly #rules: RuleAdmission;
  readonly #status: StatusWriter;
  readonly #budgets: DisruptionBudgets;
  readonly #unsubscribe: readonly (() => void)[];
  #countTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { api, volumes, rules, nodes, installation } = options;
    const pace = this.#pace;
    const events = new EventWriter(options);
    const chapSecrets = new ChapSecrets(api, options.namespace);
    this.#events = events;
    this.#chapSecrets = chapSecrets;
    this.#admission = new Admission({
      ...{ ...options, chapSecrets, events },
      onVerdict: (address) => this.#status.add(address),
    });
    this.#rules = new RuleAdmission({ ...options, events, pace });
    this.#status = new StatusWriter({
      ...{ ...options, pace },
      verdictOf: (address) => this.#admission.verdictOf(address),
    });
    const { registry } = installation;
    this.#budgets = new DisruptionBudgets({ ...options, registry });
    volumes.subscribe((change) => this.#onVolume(change));
    rules.subscribe((change) => {
      if (!this.#isClosed && isOtherRule(change)) this.#onRules();
    });
    nodes.subscribe((change) => {
      if (!this.#isClosed && isOtherPlace(change)) this.#admission.addRefused();
    });
    this.#unsubscribe = [
      registry.subscribe((address) => this.#onRecord(address)),
      installation.events.subscribe((event) => this.#onEvent(event)),
    ];
    for (const object of volumes.all()) this.#onVolume({ before: undefined, after: object });
    for (const { spec } of registry.list()) this.#budgets.add(addressOf(spec));
    this.#onRules();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    clearTimeout(this.#countTimer);
    this.#admission.close();
    this.#chapSecrets.close();
    this.#rules.close();
    this.#status.close();
    this.#budgets.close();
    this.#pace.close();
    await this.#events.close();
  }

  #onVolume(change: Change<VolumeObject>): void {
    if (this.#isClosed) return;
    this.#subjects.note(change);
    const object = change.after ?? change.before;
    if (object === undefined || isSameWish(change.before, change.after)) return;
    this.#admission.add(addressOfObject(object.metadata));
    this.#countSoon();
  }

  #onRules(): void {
    this.#rules.add();
    this.#admission.addRefused();
  }

  /** Its record changed: what its object shows, and whether it can be read. */
  #onRecord(address: string): void {
    const { registry } = this.#options.installation;
    const isDamaged = this.#admission.verdictOf(address)?.accepted.reason === 'RecordDamaged';
    // Its credentials may be lost with the Secret that we keep them in: these are compared again.
    const hasChap = this.#chapSecrets.expiryOf(address) !== undefined;
    if (isDamaged || hasChap || registry.get(address) === undefined) this.#admission.add(address);
    this.#status.add(address);
    this.#budgets.add(address);
    this.#countSoon();
  }

  #onEvent({ volume, message }: EventView): void {
    this.#status.add(volume);
    const metadata = this.#subjects.get(volume);
    if (metadata === undefined) return; // it is about no volume
    this.#events.tell({ resource: VOLUMES, metadata }, { ...eventKindOf(message), message });
  }

  #countSoon(): void {
    if (this.#options.rules.all().length === 0) return;
    this.#countTimer ??= setTimeout(() => {
      this.#countTimer = undefined;
      this.#rules.add();
    }, COUNT_AFTER_MS);
  }
}

function isOtherRule({ before, after }: Change<RuleObject>): boolean {
  const rule = (object: RuleObject | undefined) =>
    object && [object.metadata.uid, object.metadata.deletionTimestamp, object.spec];
  return !isSameJson(rule(before), rule(after));
}

/** Whether copies may go to a node now that could not before. */
function isOtherPlace({ before, after }: Change<KubeNode>): boolean {
  return !isSameJson(placeIn(before), placeIn(after));
}

function placeIn(node: KubeNode | undefined): unknown {
  if (node === undefined) return undefined;
  const isReady = ({ type, status }: Condition) => type === 'Ready' && status === 'True';
  const { unschedulable, taints } = node.spec ?? {};
  return {
    ...{ unschedulable, taints, labels: node.metadata.labels },
    isReady: node.status?.conditions?.some(isReady) ?? false,
  };
}
