import { LimitedLog } from '../../../../controller/io/limited-log.ts';

test('a peer that hammers causes 20 lines in 10 seconds, and the rest is counted', () => {
  const lines: unknown[] = [];
  const note = (message: string, fields?: object) => lines.push({ message, ...fields });
  let nowMs = 0;
  const log = new LimitedLog({ info: note, warn: note, error: note }, { nowMs: () => nowMs });
  for (let count = 0; count < 1000; count += 1) log.write('warn', 'login refused', { count });
  expect(lines).toHaveLength(20);
  log.write('info', 'initiator connection ends', {});
  expect(lines).toHaveLength(21);
  nowMs = 10_000;
  log.write('warn', 'login refused', { count: 1000 });
  log.write('warn', 'login refused', { count: 1001 });
  expect(lines.slice(21)).toEqual([
    { message: 'login refused', count: 1000, unloggedCount: 980 },
    { message: 'login refused', count: 1001 },
  ]);
});
