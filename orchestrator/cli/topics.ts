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

const EXIT_CODE_LINES = Object.values(EXIT_CODES)
  .map(({ code, about }) => `${String(code).padStart(5)}  ${about}\n`)
  .join('');

export const TOPICS: readonly Topic[] = [
  { name: 'labels', about: 'labels that decide something', text: LABEL_TEXT },
  { name: 'chap', about: 'who may log in, and the file that says so', text: CHAP },
  { name: 'exit-codes', about: 'what a script can tell', text: EXIT_CODE_LINES },
];
