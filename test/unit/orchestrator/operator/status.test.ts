import { readFileSync } from 'node:fs';
import type { Condition, VolumeObject } from '../../../../orchestrator/kubernetes/objects.ts';
import type { CopyView, VolumeView } from '../../../../orchestrator/model/view.ts';
import {
  isAtRest,
  statusPatch,
  type VolumeStatus,
  volumeStatus,
} from '../../../../orchestrator/operator/status.ts';
import {
  acceptedFinding,
  REFUSALS,
  Refused,
  refusedFinding,
  type Verdict,
} from '../../../../orchestrator/operator/verdict.ts';
import { makeView } from './support/views.ts';

const ACCEPTED: Verdict = {
  accepted: acceptedFinding('its spec is in force'),
  deletion: undefined,
  generation: 3,
};
const EARLIER = '2026-11-21T10:00:00.000Z';
const NOW = '2026-11-21T12:00:00.000Z';

describe('the status of a volume', () => {
  test('shows a volume of which all is well, with nothing in its message', () => {
    const status = statusOf({ view: makeView() });
    expect(status).toMatchObject({
      ...{ observedGeneration: 3, health: 'healthy', size: '1Gi', replicas: 2, inSync: 3 },
      ...{ portal: '10.0.0.9:3260', message: undefined },
    });
    expect(lines(status)).toEqual([
      'Accepted=True Accepted: its spec is in force',
      'Ready=True Served: served at 10.0.0.9:3260',
      'Healthy=True AllInSync: 3 of 3 copies in sync',
    ]);
  });

  test('names the copy that is missing, and why', () => {
    const view = makeView({
      health: 'degraded',
      notes: ['copy r3 waits for n3, which is down: it does not answer'],
      copies: withCopy(2, { state: 'stale', process: 'down' }),
    });
    const status = statusOf({ view });
    const message =
      '2 of 3 copies in sync; r3 on n3 is stale, its replica does not run; copy r3 waits for n3, which ' +
      'is down: it does not answer';
    expect(lines(status)[2]).toBe(`Healthy=False Degraded: ${message}`);
    expect(status.message).toBe(message);
    expect(lines(status)[1]).toMatch(/^Ready=True/);
  });

  test.each<[string, Partial<VolumeView>, RegExp]>([
    [
      'its controller is starting',
      { controller: { process: 'starting', sessions: null } },
      /^Ready=False ControllerNotReady: its controller is starting$/,
    ],
    [
      'its controller hangs',
      { controller: { process: 'ready', sessions: null } },
      /^Ready=False ControllerSilent: its controller runs, but does not answer yet$/,
    ],
    [
      'its failure mode forbids I/O',
      { failureMode: 'hard', copies: withCopy(1, { state: 'stale' }) },
      /^Ready=False TooFewCopies: failure mode hard allows no I\/O with 2 of 3 copies in sync; r2 on n2 is stale$/,
    ],
  ])('says that it is not served when %s', (_, changes, expected) => {
    const status = statusOf({ view: makeView({ health: 'unavailable', ...changes }) });
    expect(lines(status)[1]).toMatch(expected);
  });

  test('says when the record is ahead of the controller', () => {
    const status = statusOf({ view: makeView({ health: 'degraded' }) });
    expect(lines(status)[2]).toBe(
      'Healthy=False Degraded: 3 of 3 copies in sync; its controller does not say so yet',
    );
  });

  test('has no portal while there is no address', () => {
    expect(statusOf({ view: makeView({ portal: 'unknown.invalid:3260' }) }).portal).toBe(undefined);
  });

  test('of an object that is no volume tells why, and has nothing of a volume', () => {
    const accepted = refusedFinding(
      new Refused('ChapSecretMissing', 'Secret a/b: it does not exist'),
    );
    const status = statusOf({ view: undefined, verdict: { ...ACCEPTED, accepted } });
    expect(lines(status)).toEqual([
      'Accepted=False ChapSecretMissing: Secret a/b: it does not exist',
      'Ready=False NotAccepted: it is not served: see condition Accepted',
    ]);
    expect(status).toMatchObject({
      ...{ message: 'Secret a/b: it does not exist', health: 'refused', copies: undefined },
    });
  });

  test('of a deletion that waits says for what, and no longer once it goes on', () => {
    const why = '2 initiator sessions are logged in';
    const waiting = statusOf({
      view: makeView(),
      verdict: { ...ACCEPTED, deletion: { state: 'waits', reason: 'InitiatorsLoggedIn', why } },
    });
    expect(lines(waiting).at(-1)).toBe(`InUse=True InitiatorsLoggedIn: ${why}`);
    expect(waiting.message).toBe(why);
    const goingOn = statusOf({
      view: makeView(),
      verdict: { ...ACCEPTED, deletion: { state: 'going-on' } },
      before: waiting.conditions,
    });
    expect(lines(goingOn).map((line) => line.split(':')[0])).toEqual([
      ...['Accepted=True Accepted', 'Ready=False Deleting'],
    ]);
  });

  test('keeps the time of a condition that only says it in other words', () => {
    const before: Condition[] = [
      condition({ type: 'Healthy', status: 'False', reason: 'Degraded', message: 'other words' }),
      condition({ type: 'Ready', status: 'False' }),
    ];
    const view = makeView({ health: 'degraded', copies: withCopy(2, { state: 'syncing' }) });
    const { conditions } = statusOf({ view, before });
    const times = Object.fromEntries(
      conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    );
    expect(times).toEqual({ Accepted: NOW, Ready: NOW, Healthy: EARLIER });
    expect(conditions.map(({ observedGeneration }) => observedGeneration)).toEqual([3, 3, 3]);
  });

  test('leaves conditions alone that somebody else wrote', () => {
    const other = condition({ type: 'example.com/Backed-Up', status: 'True' });
    const { conditions } = statusOf({ view: makeView(), before: [other] });
    expect(conditions).toHaveLength(4);
    expect(conditions.at(-1)).toEqual(other);
  });
});

describe('the patch of a status', () => {
  test('is none when nothing differs, in whatever order the server has it', () => {
    const wanted = statusOf({ view: makeView() });
    const { message: _, ...written } = wanted;
    const stored = JSON.parse(JSON.stringify(written)) as object;
    const reversed = Object.fromEntries(Object.entries(stored).reverse());
    expect(statusPatch({ ...reversed, record: { a: 1 } }, wanted)).toBeUndefined();
  });

  test('holds what changed alone, and takes away what is not so any more', () => {
    const before = statusOf({ view: makeView({ health: 'degraded', notes: ['no room'] }) });
    const { patch } = statusPatch({ ...before }, statusOf({ view: makeView() })) ?? {};
    expect(Object.keys(patch ?? {}).sort()).toEqual(['conditions', 'health', 'message']);
    expect(patch).toMatchObject({ health: 'healthy', message: null });
  });

  test('never has a record in it', () => {
    const { patch } = statusPatch({ record: { a: 1 } }, statusOf({ view: makeView() })) ?? {};
    expect(patch).not.toHaveProperty('record');
  });

  test('is urgent when somebody waits for it: a portal, or what became of an edit', () => {
    const before = statusOf({ view: makeView() });
    const isUrgent = (after: VolumeStatus) => statusPatch({ ...before }, after)?.isUrgent;
    expect(isUrgent(statusOf({ view: makeView({ portal: '10.0.0.8:3260' }) }))).toBe(true);
    const verdict = { ...ACCEPTED, generation: 4 };
    expect(isUrgent(statusOf({ view: makeView(), verdict }))).toBe(true);
    expect(isUrgent(statusOf({ view: makeView({ health: 'degraded' }) }))).toBe(false);
  });

  test('tells how far a sync is from all else', () => {
    const at = (doneBytes: number) => {
      const copies = withCopy(2, { state: 'syncing', sync: syncAt(doneBytes) });
      return statusOf({ view: makeView({ health: 'degraded', copies }) });
    };
    expect(at(340).copies?.[2]).toMatchObject({ progressPercent: 34 });
    expect(statusPatch({ ...at(340) }, at(350))).toMatchObject({ isProgressOnly: true });
    expect(statusPatch({ ...at(340) }, at(349))).toBeUndefined();
    const done = statusOf({ view: makeView() });
    expect(statusPatch({ ...at(340) }, done)).toMatchObject({ isProgressOnly: false });
  });
});

test.each(REFUSALS)('the page for users says what to do about %s', (reason) => {
  expect(readFileSync('docs/kubernetes.md', 'utf8')).toContain(`\n| \`${reason}\` |`);
});

test('a volume is at rest only when nothing of it is under way', () => {
  expect(isAtRest(makeView(), ACCEPTED)).toBe(true);
  expect(isAtRest(undefined, ACCEPTED)).toBe(true);
  expect(isAtRest(makeView({ health: 'degraded' }), ACCEPTED)).toBe(false);
  expect(isAtRest(makeView(), { ...ACCEPTED, deletion: { state: 'going-on' } })).toBe(false);
});

function statusOf(facts: {
  view: VolumeView | undefined;
  verdict?: Verdict;
  before?: readonly Condition[];
}): VolumeStatus {
  const { view, verdict = ACCEPTED, before = [] } = facts;
  const object: VolumeObject = {
    metadata: { namespace: 'default', name: 'demo', generation: 3 },
    status: { conditions: before },
  };
  return volumeStatus({ object, verdict, view, nowText: NOW });
}

function lines({ conditions }: VolumeStatus): string[] {
  return conditions.map(
    ({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`,
  );
}

function condition(fields: Pick<Condition, 'type' | 'status'> & Partial<Condition>): Condition {
  return { lastTransitionTime: EARLIER, observedGeneration: 2, ...fields };
}

function withCopy(index: number, changes: Partial<CopyView>): CopyView[] {
  return makeView().copies.map((copy, at) => (at === index ? { ...copy, ...changes } : copy));
}

function syncAt(doneBytes: number) {
  return { doneBytes, totalBytes: 1000, differenceBytes: 0, bytesPerSecond: 0, etaSeconds: 0 };
}
