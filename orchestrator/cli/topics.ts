import { formatTable } from './columns.ts';
import { EXIT_CODES } from './errors.ts';
import { LABELS } from './label-table.ts';

/** Help on what is no command. */
export interface Topic {
  readonly name: string;
  readonly about: string;
  readonly text: string;
}

const LABEL_LINES = formatTable(
  Object.values(LABELS).map(({ label, values, about }) => [`  ${label}=${values}`, about]),
);

const LABEL_TEXT = `Labels that decide something, for a volume, a rule, or the defaults of a driver or class:

${LABEL_LINES}
Names from StorageOS do the same: storageos.com/replicas, storageos.feature.replicas,
storageos.com/failure.mode, storageos.com/failure.tolerance. All other labels are kept for you, and
for selectors. A label of the volume goes before its rules, rules go before defaults.
`;

const CHAP = `With a --chap-file only initiators that know a secret log in, discovery included. The file is for its
owner alone (chmod 600), because a command line can be read by everybody:

  user NAME SECRET         may log in; several lines are several users. NAME and SECRET are
                           node.session.auth.username and .password of open-iscsi
  mutual-user NAME SECRET  what the target proves itself with to initiators that ask:
                           node.session.auth.username_in and .password_in
  allow-short-secrets      secrets below 12 bytes, where IPsec protects the network

keelson chap secret prints a good one.
`;

const MANIFESTS = `What keelson apply reads: YAML documents, the same as the Kubernetes resources.

  apiVersion: keelson.io/v1alpha1
  kind: Volume
  metadata:
    name: data
    namespace: default
    labels:
      env: prod
  spec:
    size: 10Gi
    replicas: 2
    failureMode: soft
    failureTolerance: 1
    initiators: [iqn.2026-11.com.example:host1]
    sanitize: refuse
    chapSecretFile: data.chap
    placement:
      preferredNode: node1
    defaults:
      keelson.io/replicas: "1"
  ---
  apiVersion: keelson.io/v1alpha1
  kind: Rule
  metadata:
    name: two-for-prod
    namespace: default
  spec:
    selector: env==prod
    action: add
    labels:
      keelson.io/replicas: "2"
    weight: 0

All but the name may be left out. A document says all of it: a label that it does not have, or a field
of spec that stands for one, is taken away from a volume that has it. Only size and CHAP stay as they
are when the document does not speak of them. chapSecretFile is a file as keelson help chap tells,
beside the document; in a cluster chapSecretRef names a Secret instead. placement and defaults count for
a new volume alone: the node of its first copy, and labels that count where neither the volume nor a rule
says anything. A field that is not known is an error, so that a misspelt one is found.
`;

const EXIT_CODE_LINES = Object.values(EXIT_CODES)
  .map(({ code, about }) => `${String(code).padStart(5)}  ${about}\n`)
  .join('');

export const TOPICS: readonly Topic[] = [
  { name: 'labels', about: 'labels that decide something', text: LABEL_TEXT },
  { name: 'chap', about: 'who may log in, and the file that says so', text: CHAP },
  { name: 'manifests', about: 'volumes and rules in files', text: MANIFESTS },
  { name: 'exit-codes', about: 'what a script can tell', text: EXIT_CODE_LINES },
];
