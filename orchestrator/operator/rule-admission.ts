import { messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import type { RuleObject } from '../kubernetes/objects.ts';
import { RULES } from '../kubernetes/resources.ts';
import { KeyedQueue } from '../reconcile/keyed-queue.ts';
import { conditionsIn, type Finding, isSameFinding } from './conditions.ts';
import type { EventWriter } from './event-writer.ts';
import { addressOfObject } from './object-name.ts';
import type { Pace } from './pace.ts';
import { Retries } from './retries.ts';
import { readRule, ruleStatusPatch } from './rule-status.ts';
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
      await installation.rules.follow();
      for (const rule of rules.all()) await this.#tell(rule);
    } catch (error) {
      log.warn('rules wait', { error: messageOf(error) });
      return this.#retries.next(ALL);
    }
    this.#retries.forget(ALL);
    return undefined;
  }

  async #tell(rule: RuleObject): Promise<void> {
    const { api, rules, events, pace, now } = this.#options;
    const accepted = this.#judge(rule);
    const before = conditionsIn(rule.status).find(({ type }) => type === ACCEPTED);
    const patch = ruleStatusPatch(rule, {
      ...{ accepted, volumeCount: this.#countVolumes(rule) },
      nowText: now().toISOString(),
    });
    if (patch === undefined || !(await pace.turn())) return;
    const { namespace, name, uid } = rule.metadata;
    // Of that name there may be another one by now.
    const whole = { metadata: { uid }, status: patch };
    rules.note(await api.patch(RULES, { namespace, name }, whole, 'status'));
    const isRefused = accepted.status === 'False';
    if (isSameFinding(before, accepted) || (before === undefined && !isRefused)) return;
    const { reason, message } = accepted;
    const about = { resource: RULES, metadata: rule.metadata };
    events.tell(about, { reason, message, type: isRefused ? 'Warning' : 'Normal' });
  }

  #judge(rule: RuleObject): Finding {
    try {
      const { namespace, name } = readRule(rule);
      const address = `${namespace}/${name}`;
      const isInForce = this.#options.installation.registry.rules.some(
        (known) => addressOfObject(known) === address,
      );
      if (isInForce) return acceptedFinding('it decides about the volumes that it selects');
      throw new Refused('TooMany', `rule ${address}: there are too many rules; remove some`);
    } catch (error) {
      return refusedFinding(error);
    }
  }

  #countVolumes({ metadata }: RuleObject): number {
    const address = addressOfObject(metadata);
    const view = this.#options.installation.rules
      .views(metadata.namespace)
      .find((candidate) => addressOfObject(candidate) === address);
    return view?.volumes.length ?? 0;
  }
}
