import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import { addressOfObject } from '../kubernetes/object-name.ts';
import type { RuleObject } from '../kubernetes/objects.ts';
import { RULES } from '../kubernetes/resources.ts';
import { addressOf } from '../model/volume.ts';
import { KeyedQueue } from '../reconcile/keyed-queue.ts';
import { readRuleObject } from '../registry/kube-spec.ts';
import { conditionsIn, type Finding, isSameFinding } from './conditions.ts';
import type { EventWriter } from './event-writer.ts';
import type { Pace } from './pace.ts';
import { Retries } from './retries.ts';
import { ruleStatusPatch } from './rule-status.ts';
import { ACCEPTED, acceptedFinding, Refused, refusedFinding } from './verdict.ts';

export interface RuleAdmissionOptions {
  readonly api: KubeApi;
  readonly rules: Informer<RuleObject>;
  readonly installation: Pick<Installation, 'registry' | 'rules'>;
  readonly events: EventWriter;
  /** Of all status patches. */
  readonly pace: Pace;
  readonly now: () => Date;
  readonly log: Log;
}

/** All rules are looked at together: what they decide, they decide together. */
const ALL = 'rules';

/**
 * Lets Rules count for volumes, and says of each whether it does, and how many volumes it selects. The
 * registry reads the objects itself: what is in force follows from what is there.
 */
export class RuleAdmission {
  readonly #options: RuleAdmissionOptions;
  readonly #queue: KeyedQueue;
  readonly #retries = new Retries();

  constructor(options: RuleAdmissionOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue(
      () => this.#look(),
      (_, error) => options.log.error('rules were not looked at', { error: messageOf(error) }),
    );
  }

  /** Rules, or volumes that they may select, changed. */
  add(): void {
    this.#queue.add(ALL);
  }

  close(): void {
    this.#queue.close();
  }

  /** Returns when to look again if nothing happens before. */
  async #look(): Promise<number | undefined> {
    const { installation, rules, log } = this.#options;
    try {
      const unclear = this.#unclearNamespaces();
      await installation.rules.follow(unclear);
      for (const rule of rules.all()) await this.#tell(rule, unclear);
    } catch (error) {
      log.warn('rules wait', { error: messageOf(error) });
      return this.#retries.next(ALL);
    }
    this.#retries.forget(ALL);
    return undefined;
  }

  /**
   * Those with a rule that cannot be read, and of which no earlier version is known: volumes keep what
   * it may have decided, or a slip of the pen would take their copies away.
   */
  #unclearNamespaces(): ReadonlySet<string> {
    const unclear = this.#options.rules
      .all()
      .filter((rule) => !canBeRead(rule) && !this.#isInForce(addressOfObject(rule.metadata)));
    return new Set(unclear.map(({ metadata }) => metadata.namespace ?? ''));
  }

  async #tell(rule: RuleObject, unclear: ReadonlySet<string>): Promise<void> {
    const { api, rules, events, pace, now } = this.#options;
    const accepted = this.#judge(rule, unclear);
    const before = conditionsIn(rule.status).find(({ type }) => type === ACCEPTED);
    const patch = ruleStatusPatch(rule, {
      ...{ accepted, volumeCount: this.#countVolumes(rule) },
      nowText: now().toISOString(),
    });
    if (patch === undefined || !(await pace.turn())) return;
    const { namespace, name, resourceVersion } = rule.metadata;
    // Of that name there may be another one by now.
    const whole = { metadata: { resourceVersion }, status: patch };
    rules.note(await api.patch(RULES, { namespace, name }, whole, 'status'));
    const isRefused = accepted.status === 'False';
    if (isSameFinding(before, accepted) || (before === undefined && !isRefused)) return;
    const { reason, message } = accepted;
    const about = { resource: RULES, metadata: rule.metadata };
    events.tell(about, { reason, message, type: isRefused ? 'Warning' : 'Normal' });
  }

  #judge(rule: RuleObject, unclear: ReadonlySet<string>): Finding {
    try {
      const { namespace, ...read } = readRuleObject(rule);
      const address = addressOf({ namespace, ...read });
      if (!this.#isInForce(address))
        throw new Refused('Failed', `rule ${address} is not known yet`);
      if (!unclear.has(namespace)) {
        return acceptedFinding('it decides about the volumes that it selects');
      }
      throw new Refused(
        'WaitsForOtherRule',
        `rule ${address}: volumes stay as they are while another rule of namespace ${namespace} ` +
          'cannot be read; see which is not accepted: kubectl get rules',
      );
    } catch (error) {
      const finding = refusedFinding(error);
      const hasEarlier = !canBeRead(rule) && this.#isInForce(addressOfObject(rule.metadata));
      if (!hasEarlier) return finding;
      return { ...finding, message: `${finding.message}; what it said before stays in force` };
    }
  }

  #isInForce(address: string): boolean {
    return this.#options.installation.registry.rules.some((rule) => addressOf(rule) === address);
  }

  #countVolumes({ metadata }: RuleObject): number {
    const address = addressOfObject(metadata);
    const view = this.#options.installation.rules
      .views(metadata.namespace)
      .find((candidate) => addressOf(candidate) === address);
    return view?.volumes.length ?? 0;
  }
}

function canBeRead(rule: RuleObject): boolean {
  try {
    readRuleObject(rule);
    return true;
  } catch (error) {
    if (error instanceof KeelsonError) return false;
    throw error;
  }
}
