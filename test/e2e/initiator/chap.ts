import type { ChapCredentials } from '../../../controller/protocol/chap-credentials.ts';
import { eventually } from '../../support/child.ts';
import { type Bench, logIn, logOut, setNode } from './bench.ts';

const USER = { name: 'alice', secret: 'alices-secret-16' };
const TARGET = { name: 'keelson', secret: 'the-targets-own-1' };
const WRONG = 'a-wrong-secret-16';
/** Digests of RFC 7143 section 13.11 and what open-iscsi calls them. */
const ALGORITHMS = ['MD5', 'SHA256', 'SHA3-256'] as const;
const AUTH = 'node.session.auth';

/** With the credentials of a volume changed under it, as an operator would. */
export async function checkChap(bench: Bench): Promise<void> {
  const { guest, node } = bench;
  await require(bench, { users: [USER], mutual: TARGET, allowsShortSecrets: false });
  await refuse(bench, 'no CHAP at all');
  const right = {
    [`${AUTH}.authmethod`]: 'CHAP',
    [`${AUTH}.username`]: USER.name,
    [`${AUTH}.password`]: USER.secret,
  };
  for (const algorithm of ALGORITHMS) {
    await guest.run(setNode(bench, { ...right, [`${AUTH}.chap_algs`]: algorithm }));
    await logIn(bench);
    await logOut(bench);
  }
  await guest.run(setNode(bench, { [`${AUTH}.password`]: WRONG }));
  await refuse(bench, 'a wrong secret');
  const mutual = { [`${AUTH}.username_in`]: TARGET.name, [`${AUTH}.password_in`]: TARGET.secret };
  await guest.run(setNode(bench, { ...right, ...mutual }));
  await logIn(bench);
  await logOut(bench);
  // Now it is the initiator that turns away a target which does not know what it should.
  await guest.run(setNode(bench, { [`${AUTH}.password_in`]: WRONG }));
  await refuse(bench, 'a target with a wrong secret', /non-retryable iSCSI login failure/);
  await guest.run(`${node} -o delete && ${node} -o new`);
  await require(bench, null);
  await logIn(bench);
  await logOut(bench);
}

/** Waits until the controller asks for it: a change reaches it by a request that is open. */
async function require({ keelson }: Bench, chap: ChapCredentials | null): Promise<void> {
  const name = { namespace: 'default', name: 'demo' };
  await keelson.api.updateVolume(name, { labelsAdd: {}, labelsRemove: [], chap });
  const mode = chap === null ? 'none' : 'mutual';
  await eventually(`the controller asks for CHAP: ${mode}`, async () => {
    return (await keelson.status()).target.chap === mode ? true : undefined;
  });
}

async function refuse(
  { guest, node }: Bench,
  what: string,
  why = /initiator reported error \(24 - .*authori[sz]ation failure/,
): Promise<void> {
  const printed = await guest.run(`${node} -l 2>&1; true`);
  const sessions = await guest.run('iscsiadm -m session 2>&1; true');
  if (why.test(printed) && /No active sessions/i.test(sessions)) return;
  throw new Error(`login with ${what}: expected ${why} and no session, got\n${printed}${sessions}`);
}
