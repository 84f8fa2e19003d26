import { run, runOk } from '../../support/child.ts';
import { type Guest, HOST_ADDRESS, TAP } from '../../support/uml/guest.ts';

/**
 * Joins a guest to the network that this process runs in, which is the cluster's, as a machine behind
 * a router: what comes from it to a Service is sent on by the rules of kube-proxy here.
 */
export async function openGuestNetwork(): Promise<void> {
  await closeGuestNetwork(); // a test that was killed may have left it
  await runOk('ip', ['tuntap', 'add', 'dev', TAP, 'mode', 'tap']);
  await runOk('ip', ['addr', 'add', `${HOST_ADDRESS}/24`, 'dev', TAP]);
  await runOk('ip', ['link', 'set', TAP, 'up']);
}

export async function closeGuestNetwork(): Promise<void> {
  await run('ip', ['link', 'delete', TAP]);
}

export async function joinCluster(guest: Guest): Promise<void> {
  await guest.run(`ip route add default via ${HOST_ADDRESS}`);
}
