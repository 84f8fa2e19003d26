import type { Membership } from '../../../../controller/protocol/membership.ts';
import { EventLog } from '../../../../orchestrator/events/event-log.ts';
import { Installation } from '../../../../orchestrator/installation/installation.ts';
import { planByHost } from '../../../../orchestrator/model/address-plan.ts';
import type { Platform } from '../../../../orchestrator/platforms/platform.ts';
import { makeCluster, NONE, openPod, request } from '../support/kube-installation.ts';

const A = 'default/a';

async function makeInstallation(whyReplaced: Platform['whyReplaced']) {
  const { registry } = await openPod(makeCluster());
  const { secret } = await registry.create(request('a'), NONE);
  const platform: Platform = {
    name: 'kubernetes',
    addresses: planByHost({ controller: () => '10.0.0.1', replica: () => '10.0.0.2' }),
    ...{ observe: () => [], observeNodes: () => [], start: () => undefined },
    ...{ stop: async () => undefined, eraseCopy: async () => undefined, erase: async () => [] },
    ...{ close: async () => undefined, kill: () => undefined },
    ...(whyReplaced === undefined ? {} : { whyReplaced }),
  };
  const installation = new Installation({
    ...{ registry, events: new EventLog(() => new Date(0)), makePlatform: () => platform },
    ...{ fetchStatus: async () => undefined, replaceAfterMs: 0 },
  });
  return { installation, registry, secret };
}

/** The record once this controller holds it. */
function claimBy(instanceId: string, { membership }: { membership: Membership }): Membership {
  const { version, epoch, generation } = membership;
  return {
    ...membership,
    ...{ version: version + 1, epoch: epoch + 1, generation: generation + 1 },
    controller: { instanceId, address: '10.0.0.1:3260' },
  };
}

test('a controller that was replaced does not get its volume back; its successor does', async () => {
  const { installation, registry, secret } = await makeInstallation((instanceId) => {
    return instanceId === 'old' ? 'its pod was removed' : undefined;
  });
  const take = (instanceId: string) =>
    installation.changeMembership(A, secret, claimBy(instanceId, registry.require(A)));
  await expect(take('old')).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'take volume default/a: controller old was replaced: its pod was removed',
  });
  expect(registry.require(A).membership.epoch).toBe(0);
  expect(await take('new')).toMatchObject({ ok: true });
});

test('whoever holds a volume may change its record, whatever is known of its pod', async () => {
  let isGone = false;
  const { installation, registry, secret } = await makeInstallation(() => {
    return isGone ? 'its pod was removed' : undefined;
  });
  await installation.changeMembership(A, secret, claimBy('c1', registry.require(A)));
  isGone = true;
  const { membership } = registry.require(A);
  const next = { ...membership, version: membership.version + 1, losses: membership.losses + 1 };
  expect(await installation.changeMembership(A, secret, next)).toMatchObject({ ok: true });
});

test('where a platform cannot tell, every controller may take its volume', async () => {
  const { installation, registry, secret } = await makeInstallation(undefined);
  const change = await installation.changeMembership(A, secret, claimBy('c1', registry.require(A)));
  expect(change.ok).toBe(true);
});
