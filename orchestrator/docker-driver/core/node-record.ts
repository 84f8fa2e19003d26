import type { ChapCredentials } from '../../../controller/protocol/chap-credentials.ts';

/** Settings of one open-iscsi node record. */
export type NodeSettings = Readonly<Record<string, string>>;

/**
 * How the driver wants a volume logged in, whatever the defaults of the host's iscsid.conf:
 *
 * - never at boot, when there is nobody yet to mount it;
 * - one session, because a second path to the same target would be a second initiator to the fence;
 * - an unreachable portal is given up after two attempts of 15 s, within Docker's 2 minutes.
 *
 * The replacement timeout stays the host's own (120 s): how long I/O waits for a portal that is away.
 */
export function nodeSettings(chap: ChapCredentials | null): NodeSettings {
  const auth = 'node.session.auth';
  const user = chap?.users[0];
  const mutual = chap?.mutual;
  return {
    'node.startup': 'manual',
    'node.session.nr_sessions': '1',
    'node.session.initial_login_retry_max': '2',
    'node.conn[0].startup': 'manual',
    'node.conn[0].timeo.login_timeout': '15',
    ...(user === undefined
      ? { [`${auth}.authmethod`]: 'None' }
      : {
          [`${auth}.authmethod`]: 'CHAP',
          [`${auth}.username`]: user.name,
          [`${auth}.password`]: user.secret,
        }),
    ...(mutual === null || mutual === undefined
      ? {}
      : { [`${auth}.username_in`]: mutual.name, [`${auth}.password_in`]: mutual.secret }),
  };
}

const END = '# END RECORD';

/**
 * A record file with these settings in place of its own: lines `name = value`. Secrets are set here and
 * not by `iscsiadm -o update -v SECRET`, because a command line can be read by everybody.
 */
export function changeNodeRecord(text: string, settings: NodeSettings): string {
  const kept = text.split('\n').filter((line) => {
    const name = line.split(' = ', 1)[0]?.trim() ?? '';
    return name !== '' && !line.startsWith(END) && !Object.hasOwn(settings, name);
  });
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  return [...kept, ...lines, END, ''].join('\n');
}
