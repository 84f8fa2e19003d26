import { Registrant, WRITE_EXCLUSIVE_REGISTRANTS_ONLY } from '../conformance/reservations.ts';
import { eventually } from '../support/child.ts';
import { DEMO_URL, type Keelson, startKeelson } from '../support/keelson.ts';

const KEY_A = 0xan;
const KEY_B = 0xbn;
const TYPE = WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
/** Several at a time, so that some are under way at whatever moment the other node fences. */
const WRITERS = 8;
const WRITES_BEHIND = 50;

let keelson: Keelson;
let a: Registrant;
let b: Registrant;

beforeAll(async () => {
  keelson = await startKeelson();
  await keelson.whenHealthy();
  const { hostname, port, pathname } = new URL(DEMO_URL.replace('iscsi:', 'http:'));
  const portal = { host: hostname, port: Number(port), targetName: pathname.split('/')[1] ?? '' };
  a = new Registrant(portal, 'fenced');
  b = new Registrant(portal, 'survivor');
});
afterAll(async () => {
  await a?.stop();
  await b?.stop();
  await keelson?.stop();
});

test('I15 a node that is preempted writes nothing more, whatever dies right behind', async () => {
  await a.register(KEY_A);
  await b.register(KEY_B);
  await a.reserve(KEY_A, TYPE);
  let isFenced = false;
  let writtenBefore = 0;
  const late: string[] = [];
  const writers = Array.from({ length: WRITERS }, async () => {
    for (let left = WRITES_BEHIND; left > 0; left -= isFenced ? 1 : 0) {
      const wasFenced = isFenced;
      const word = await a.write();
      if (word === 'written' && wasFenced) late.push('a write began behind the fence');
      if (word === 'written') writtenBefore += 1;
    }
  });
  await eventually('the node writes', () => (writtenBefore > 100 ? true : undefined));
  await b.preemptAndAbort(KEY_B, KEY_A, TYPE);
  isFenced = true;
  const { pid } = keelson.controller();
  process.kill(pid, 'SIGKILL');
  const [replica] = keelson.replicas();
  if (replica !== undefined) process.kill(replica.pid, 'SIGKILL');
  await Promise.all(writers);
  expect(late).toEqual([]);
  expect(keelson.controller().pid).not.toBe(pid);
  expect([await a.write(), await b.write()]).toEqual(['conflict', 'written']);
  expect(await b.readKeys()).toEqual([KEY_B]);
  expect(await b.readReservation()).toEqual({ key: KEY_B, type: TYPE });
});
