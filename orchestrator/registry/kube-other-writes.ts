import { KeelsonError } from '../../replica/common/errors.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import type { ConfigMap, KubeNode, RuleObject } from '../kubernetes/objects.ts';
import { CONFIG_MAPS, RULES } from '../kubernetes/resources.ts';
import type { NodeRecord } from '../model/node.ts';
import { type Rule, whyOtherRule } from '../model/rule.ts';
import { addressOf } from '../model/volume.ts';
import { LABELS, NAMES } from '../platforms/kubernetes/names.ts';
import { usesPatch } from './kube-nodes.ts';
import { ruleObjectOf, ruleSpecOf } from './kube-spec.ts';
import { hasCode } from './kube-volume-writes.ts';

export interface OtherWritesOptions {
  readonly api: KubeApi;
  readonly systemNamespace: string;
  readonly rules: Informer<RuleObject>;
  readonly nodes: Informer<KubeNode>;
  /** Of the one ConfigMap about nodes. */
  readonly uses: Informer<ConfigMap>;
}

/**
 * Writes what is no volume, each object in one call. Rules are written before the volumes that they
 * decide about: what a crash leaves in between follows from the rules that there are
 * (`Registry.followRules`).
 *
 * Errors: CONFLICT when somebody was faster, whose object is known by then.
 */
export class OtherWrites {
  readonly #options: OtherWritesOptions;

  constructor(options: OtherWritesOptions) {
    this.#options = options;
  }

  /** Errors: FAILED_PRECONDITION, for what is Kubernetes' to decide. */
  async writeNodes(before: readonly NodeRecord[], after: readonly NodeRecord[]): Promise<void> {
    if (before === after) return;
    const { api, systemNamespace, nodes, uses } = this.#options;
    const name = { namespace: systemNamespace, name: NAMES.nodes };
    const known = uses.get(name);
    const data = usesPatch(before, after, { nodes: nodes.all(), uses: known });
    if (data === undefined) return;
    try {
      const stored =
        known === undefined
          ? await api.create(CONFIG_MAPS, makeUses(name, data))
          : await api.patch(CONFIG_MAPS, name, {
              metadata: { resourceVersion: known.metadata.resourceVersion },
              data,
            });
      uses.note(stored);
    } catch (error) {
      if (!isLate(error)) throw error;
      const there = await api.get(CONFIG_MAPS, name);
      if (there !== undefined) uses.note(there);
      else if (known?.metadata.uid !== undefined) uses.noteGone(name, known.metadata.uid);
      throw new KeelsonError('CONFLICT', 'nodes: somebody else changed them', { cause: error });
    }
  }

  async writeRules(before: readonly Rule[], after: readonly Rule[]): Promise<void> {
    if (before === after) return;
    const was = new Map(before.map((rule) => [addressOf(rule), rule]));
    const is = new Map(after.map((rule) => [addressOf(rule), rule]));
    for (const [address, rule] of is) {
      const known = was.get(address);
      if (known === undefined || whyOtherRule(known, rule) !== undefined) {
        await this.#orConflict(rule, () => this.#storeRule(rule));
      }
    }
    for (const [address, rule] of was) {
      if (!is.has(address)) await this.#orConflict(rule, () => this.#removeRule(rule));
    }
  }

  /** In the place of one that cannot be read, too. */
  async #storeRule(rule: Rule): Promise<void> {
    const { api, rules } = this.#options;
    const { namespace, name } = rule;
    const known = rules.get({ namespace, name });
    const stored =
      known === undefined
        ? await this.#createRule(rule)
        : await api.replace(RULES, { ...known, spec: ruleSpecOf(rule) });
    rules.note(stored);
  }

  async #createRule(rule: Rule): Promise<RuleObject> {
    try {
      return await this.#options.api.create(RULES, ruleObjectOf(rule));
    } catch (error) {
      if (!hasCode(error, ['NOT_FOUND'])) throw error;
      const { namespace } = rule;
      throw new KeelsonError(
        'FAILED_PRECONDITION',
        `create rule ${addressOf(rule)}: namespace ${namespace} does not exist; ` +
          `run kubectl create namespace ${namespace}`,
        { cause: error },
      );
    }
  }

  async #removeRule(rule: Rule): Promise<void> {
    const { api, rules } = this.#options;
    const { namespace, name } = rule;
    const uid = rules.get({ namespace, name })?.metadata.uid;
    await api.remove(RULES, { namespace, name }, uid === undefined ? {} : { uid });
    const left = await api.get(RULES, { namespace, name });
    if (left !== undefined) rules.note(left);
    else if (uid !== undefined) rules.noteGone({ namespace, name }, uid);
  }

  async #orConflict(rule: Rule, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isLate(error)) throw error;
      const { api, rules } = this.#options;
      const { namespace, name } = rule;
      const uid = rules.get({ namespace, name })?.metadata.uid;
      const there = await api.get(RULES, { namespace, name });
      if (there !== undefined) rules.note(there);
      else if (uid !== undefined) rules.noteGone({ namespace, name }, uid);
      throw new KeelsonError('CONFLICT', `rule ${addressOf(rule)}: somebody else changed it`, {
        cause: error,
      });
    }
  }
}

function makeUses(
  name: { readonly namespace: string; readonly name: string },
  patch: Readonly<Record<string, string | null>>,
): ConfigMap {
  const data = Object.entries(patch).flatMap(([node, use]): [string, string][] =>
    use === null ? [] : [[node, use]],
  );
  return {
    apiVersion: CONFIG_MAPS.apiVersion,
    kind: CONFIG_MAPS.kind,
    metadata: { ...name, labels: { [LABELS.app]: 'keelson' } },
    data: Object.fromEntries(data),
  };
}

function isLate(error: unknown): boolean {
  return hasCode(error, ['CONFLICT', 'ALREADY_EXISTS', 'NOT_FOUND']);
}
