import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventLog } from '../../../orchestrator/events/event-log.ts';
import type { Leadership, PlatformKind } from '../../../orchestrator/platforms/platform-kind.ts';
import { Root } from '../../../orchestrator/platforms/root.ts';
import { type Orchestrator, startOrchestrator } from '../../../orchestrator/start.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { FakePlatform } from './operator/support/fake-platform.ts';
import { rawCall } from './support/raw-call.ts';

const LOG = { info: () => undefined, warn: () => undefined, error: console.error };

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-start-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Writes down what it is asked for, in order. */
class FakeKind implements PlatformKind {
  readonly place = 'a test';
  readonly hasDemo = false;
  readonly calls: string[] = [];
  readonly leadership: Leadership | undefined;
  readonly #root = new Root(directory);

  constructor(leadership?: Leadership) {
    this.leadership = leadership;
  }

  async open(): Promise<void> {
    this.calls.push('open');
    await this.#root.open();
  }

  readRecords() {
    this.calls.push('readRecords');
    return this.#root.readRecords(['n1'], undefined);
  }

  make() {
    this.calls.push('make');
    return new FakePlatform();
  }

  async whenAddressed(): Promise<void> {
    this.calls.push('whenAddressed');
  }

  async survey(): Promise<void> {
    this.calls.push('survey');
  }

  accompany(): void {
    this.calls.push('accompany');
  }

  async dismiss(): Promise<void> {
    this.calls.push('dismiss');
  }

  async close(): Promise<void> {
    this.calls.push('close');
    await this.#root.close();
  }
}

function start(kind: PlatformKind): Promise<Orchestrator> {
  return startOrchestrator({
    ...{ kind, log: LOG, events: new EventLog(() => new Date(0)) },
    ...{ apiHost: '127.0.0.1', apiPort: 0, isTokenRequired: true, replaceAfterMs: 60_000 },
  });
}

async function readiness({ apiUrl }: Orchestrator): Promise<number> {
  return (await rawCall('GET', `${apiUrl}/readyz`)).status;
}

const SERVES = ['open', 'readRecords', 'make', 'whenAddressed'];

test('an orchestrator that is alone looks around, starts, and gives everything back at the end', async () => {
  const kind = new FakeKind();
  const orchestrator = await start(kind);
  await orchestrator.started;
  expect(kind.calls).toEqual([...SERVES, 'survey', 'accompany']);
  expect(orchestrator.installation.isStarted).toBe(true);
  await orchestrator.close();
  expect(kind.calls.slice(-2)).toEqual(['dismiss', 'close']);
  await (await start(new FakeKind())).close(); // the directory is free again
});

test('one of several looks around and starts only when it leads, and is ready before', async () => {
  const gained = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  const state = { isGained: false };
  const kind = new FakeKind({
    ...{ gained: gained.promise, lost: lost.promise, leader: 'another' },
    get isGained() {
      return state.isGained;
    },
  });
  const orchestrator = await start(kind);
  expect([kind.calls, await readiness(orchestrator)]).toEqual([SERVES, 200]);
  expect(orchestrator.installation.isStarted).toBe(false);
  state.isGained = true;
  gained.resolve();
  await orchestrator.started;
  expect(kind.calls).toEqual([...SERVES, 'survey', 'accompany']);
  const superseded = new KeelsonError('FAILED_PRECONDITION', 'another one leads');
  lost.reject(superseded);
  await expect(orchestrator.lost).rejects.toBe(superseded);
  await orchestrator.close();
});

test('one that never led ends without waiting to', async () => {
  const never = new Promise<never>(() => undefined);
  const kind = new FakeKind({ gained: never, lost: never, isGained: false, leader: 'another' });
  const orchestrator = await start(kind);
  await orchestrator.close();
  expect(kind.calls).toEqual([...SERVES, 'dismiss', 'close']);
});

test('records that cannot be read leave nothing open', async () => {
  class Broken extends FakeKind {
    override async readRecords(): Promise<never> {
      throw new KeelsonError('CORRUPT', 'no record can be read');
    }
  }
  const kind = new Broken();
  await expect(start(kind)).rejects.toMatchObject({ code: 'CORRUPT' });
  expect(kind.calls).toEqual(['open', 'close']);
});
