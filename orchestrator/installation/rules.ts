import { KeelsonError } from '../../replica/common/errors.ts';
import type { EventLog } from '../events/event-log.ts';
import { type Rule, showRule, whyOtherRule } from '../model/rule.ts';
import { selects } from '../model/selector.ts';
import { explainUpdate } from '../model/update.ts';
import type { RuleView } from '../model/view.ts';
import { addressOf } from '../model/volume.ts';
import type { RecordChange, Registry } from '../registry/registry.ts';

export interface MadeRule {
  readonly view: RuleView;
  readonly isNew: boolean;
}

/** The rules of all namespaces, as the API offers them. What they change about volumes is told. */
export class Rules {
  readonly #registry: Registry;
  readonly #events: EventLog;

  constructor(registry: Registry, events: EventLog) {
    this.#registry = registry;
    this.#events = events;
  }

  /** Sorted by address. */
  views(namespace?: string): RuleView[] {
    return this.#registry.rules
      .filter((rule) => namespace === undefined || rule.namespace === namespace)
      .map((rule) => this.#view(rule));
  }

  /** Errors: NOT_FOUND. */
  view(address: string): RuleView {
    return this.#view(this.#registry.requireRule(address));
  }

  /**
   * Creates a rule, or finds that the same one exists.
   *
   * Errors: ALREADY_EXISTS, saying what differs; NO_SPACE.
   */
  async create(rule: Rule): Promise<MadeRule> {
    const existing = this.#find(rule);
    const difference = existing && whyOtherRule(existing, rule);
    if (difference !== undefined) {
      throw new KeelsonError(
        'ALREADY_EXISTS',
        `create rule ${addressOf(rule)}: it exists and differs: ${difference}`,
      );
    }
    return existing === undefined
      ? this.replace(rule)
      : { view: this.#view(existing), isNew: false };
  }

  /** Creates a rule, or puts it in the place of the one of that name. Errors: NO_SPACE. */
  async replace(rule: Rule): Promise<MadeRule> {
    const existing = this.#find(rule);
    if (existing === undefined || whyOtherRule(existing, rule) !== undefined) {
      this.#tell(await this.#registry.setRule(rule));
    }
    return { view: this.view(addressOf(rule)), isNew: existing === undefined };
  }

  /**
   * Lets rules count that somebody changed where the registry keeps its state.
   *
   * @param unclear as of `Registry.followRules`
   */
  async follow(unclear: ReadonlySet<string>): Promise<void> {
    this.#tell(await this.#registry.followRules(unclear));
  }

  /** Errors: NOT_FOUND. */
  async remove(address: string): Promise<void> {
    this.#tell(await this.#registry.removeRule(address));
  }

  #find(rule: Rule): Rule | undefined {
    return this.#registry.rules.find((candidate) => addressOf(candidate) === addressOf(rule));
  }

  #tell(changes: readonly RecordChange[]): void {
    for (const { before, after } of changes) {
      for (const message of explainUpdate(before, after)) {
        this.#events.add(addressOf(after.spec), message);
      }
    }
  }

  #view(rule: Rule): RuleView {
    const volumes = this.#registry
      .list()
      .filter(({ spec, labels }) => {
        return spec.namespace === rule.namespace && selects(rule.selector, labels);
      })
      .map(({ spec }) => addressOf(spec));
    return { ...showRule(rule), volumes };
  }
}
