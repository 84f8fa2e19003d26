import { eventually } from '../support/child.ts';
import type { Keelson } from '../support/keelson.ts';
import { conclude } from './conclude.ts';
import { type Portal, Registrant, WRITE_EXCLUSIVE_REGISTRANTS_ONLY } from './reservations.ts';
import { startKeelsonSubject, whenServing } from './subjects.ts';
import { formatTotal, runSuite, type TestResult } from './suite.ts';

/** The suites of libiscsi that are about reservations, in two halves. */
const BEFORE = [
  'PrinReadKeys',
  'PrinServiceactionRange',
  'PrinReportCapabilities',
  'ProutRegister',
];
const AFTER = ['ProutReserve', 'ProutClear', 'ProutPreempt', 'Reserve6'];

/** A suite of many tests, and how many of them begin before the controller dies under them. */
const INTERRUPTED = 'ProutReserve';
const TESTS_BEFORE_KILL = 6;

const KEY_A = 0x0a0a_0a0a_0a0a_0a0an;
const KEY_B = 0x0b0b_0b0b_0b0b_0b0bn;
const TYPE = WRITE_EXCLUSIVE_REGISTRANTS_ONLY;

type Print = (text: string) => void;

/**
 * Runs the reservation tests with two deaths of the controller among them. The first is between the
 * halves, with registrations and a reservation that were made to last (the suites themselves clear
 * whatever they find, so it cannot be within one): all of them must be there afterwards and hold
 * strangers off. The second is in the middle of a suite, which is then run again from its start.
 */
export async function judgeAfterKill(print: Print): Promise<boolean> {
  const subject = await startKeelsonSubject({ copies: 3, hasChap: false });
  try {
    const results: TestResult[] = [];
    for (const suite of BEFORE) results.push(...(await runSuite(subject.url, select(suite))));
    print(`before the kill: ${formatTotal(results)}`);
    await killWithReservation(subject.keelson, print);
    await killWithin(subject.url, subject.keelson, print);
    for (const suite of AFTER) results.push(...(await runSuite(subject.url, select(suite))));
    return conclude(results, { isWhole: false, print });
  } finally {
    await subject.stop();
  }
}

async function killWithReservation(keelson: Keelson, print: Print): Promise<void> {
  const portal = await portalOf(keelson);
  const [a, b, stranger] = ['a', 'b', 'stranger'].map((name) => new Registrant(portal, name)) as [
    Registrant,
    Registrant,
    Registrant,
  ];
  try {
    await a.register(KEY_A);
    await b.register(KEY_B);
    await a.reserve(KEY_A, TYPE);
    await expectReserved({ a, b, stranger }, 'before the kill');
    await killController(keelson);
    await expectReserved({ a, b, stranger }, 'after kill -9 of the controller');
    print('kill -9 of the controller: two registrations and the reservation are there and hold');
    await a.clear(KEY_A);
    expectSame('a stranger writes once it is cleared', await stranger.write(), 'written');
  } finally {
    await Promise.all([a, b, stranger].map((registrant) => registrant.stop()));
  }
}

/** Only that the target is whole afterwards; what the killed suite says of itself does not count. */
async function killWithin(url: string, keelson: Keelson, print: Print): Promise<void> {
  let seen = '';
  let kill: Promise<void> | undefined;
  const results = await runSuite(url, {
    ...select(INTERRUPTED),
    onOutput: (text) => {
      seen += text;
      const begun = seen.split('Test: ').length - 1;
      if (begun > TESTS_BEFORE_KILL) kill ??= killController(keelson);
    },
  });
  if (kill === undefined) throw new Error(`${INTERRUPTED} ended before the controller was killed`);
  await kill;
  print(`kill -9 of the controller within ${INTERRUPTED}: ${formatTotal(results)} in that run`);
}

async function expectReserved(
  { a, b, stranger }: Record<'a' | 'b' | 'stranger', Registrant>,
  when: string,
): Promise<void> {
  expectSame(`${when}: keys`, (await stranger.readKeys()).join(' '), [KEY_A, KEY_B].join(' '));
  const held = await stranger.readReservation();
  expectSame(`${when}: type of the reservation`, held?.type, TYPE);
  expectSame(`${when}: its holder's key`, held?.key, KEY_A);
  expectSame(`${when}: the holder writes`, await a.write(), 'written');
  expectSame(`${when}: another registrant writes`, await b.write(), 'written');
  expectSame(`${when}: a stranger writes`, await stranger.write(), 'conflict');
}

function expectSame<T>(what: string, got: T, expected: T): void {
  if (got !== expected) throw new Error(`${what}: expected ${expected}, got ${got}`);
}

async function killController(keelson: Keelson): Promise<void> {
  const { pid } = keelson.controller();
  process.kill(pid, 'SIGKILL');
  await eventually('another controller runs', () => {
    const next = keelson.processes().find(({ command }) => command.includes('controller/main.ts'));
    return next !== undefined && next.pid !== pid ? true : undefined;
  });
  await whenServing(keelson);
}

async function portalOf(keelson: Keelson): Promise<Portal> {
  const { portal, targetName } = await whenServing(keelson);
  const [host = '', port = ''] = portal.split(':');
  return { host, port: Number(port), targetName };
}

function select(suite: string): { select: string } {
  return { select: `ALL.${suite}` };
}
