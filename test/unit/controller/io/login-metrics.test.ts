import { makeCounters, makeMetrics } from '../../../../controller/io/metrics.ts';
import { LOGIN_REFUSAL_NAMES } from '../../../../controller/iscsi/login-refusals.ts';
import type { ControllerStatus } from '../../../../controller/protocol/status.ts';

const STATUS: ControllerStatus = {
  ...{ volume: 'default/db', instanceId: 'i1', epoch: 1, generation: 1, health: 'healthy' },
  target: { name: 'iqn', portal: '127.0.1.1:3260', sessions: 0, chap: 'none' },
  ...{ copies: [], lz4: 'liblz4' },
};

test('refused logins are counted by reason, and every reason is there from the start', async () => {
  const counters = makeCounters();
  counters.loginRefusals['wrong-credentials'] += 3;
  const text = await makeMetrics(counters, () => STATUS).metrics();
  const lines = text.matchAll(/^keelson_controller_login_refusals_total\{reason="(.+)"\} (\d+)$/gm);
  expect([...lines].map(([, reason, count]) => [reason, Number(count)])).toEqual(
    LOGIN_REFUSAL_NAMES.map((reason) => [reason, reason === 'wrong-credentials' ? 3 : 0]),
  );
});
