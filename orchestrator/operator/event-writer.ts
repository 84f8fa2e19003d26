import { randomBytes } from 'node:crypto';
import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { AnyObject, KubeObject, Metadata, ObjectName } from '../kubernetes/objects.ts';
import { EVENTS, type Resource } from '../kubernetes/resources.ts';
import type { EventKind } from './event-kind.ts';
import type { OperatorOptions } from './options.ts';
import { Pace } from './pace.ts';

export type EventWriterOptions = Pick<OperatorOptions, 'api' | 'podName' | 'now' | 'log'>;

export interface Told extends EventKind {
  readonly message: string;
}

/** The same said of the same object again within this time counts, instead of being said again. */
const REPEAT_MS = 10 * 60_000;

/** In all. */
const WRITES_PER_SECOND = 5;

/** Of one object: so many at once, then one for each gap. What is more waits, and is counted. */
const BURST = 25;
const GAP_MS = 10_000;

/** What waits is no more than is written in half a minute; beyond that, `Normal` ones are not told. */
const MAX_WAITING = 150;

/** Of what is written the oldest are forgotten first. */
const MAX_ENTRIES = 1_000;

/** Of the server (core/v1 validation). */
const MAX_MESSAGE_CHARS = 1024;

/** While the server does not answer. */
const RETRY_MS = 5_000;

/** What an Event is about. */
export interface Subject {
  readonly resource: Resource<KubeObject>;
  readonly metadata: Metadata;
}

/** Something said of an object, once or again and again: one Event. */
interface Entry {
  readonly key: string;
  readonly about: Subject;
  readonly told: Told;
  /** Of the Event. As Kubernetes' own parts name them: the object, and what makes it unique. */
  readonly name: ObjectName & { readonly namespace: string };
  readonly firstTime: string;
  lastTime: string;
  lastAtMs: number;
  count: number;
  writtenCount: number;
  /** The server has it, as far as we know. */
  isThere: boolean;
}

/**
 * Kubernetes Events (core/v1) about our objects. Telling never fails and never waits. What the server
 * refuses is lost, as Events are; conditions say what matters.
 */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #pace: Pace;
  /** By what is said of what; the one that was told longest ago first. */
  readonly #entries = new Map<string, Entry>();
  /** By UID: until when its Events would take if there were one for each gap. */
  readonly #busyUntilMs = new Map<string, number>();
  #pumping: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The server took the last one. */
  #isTaking = true;
  #isClosed = false;

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#pace = new Pace(WRITES_PER_SECOND);
  }

  tell(about: Subject, told: Told): void {
    if (this.#isClosed) return;
    const nowMs = monotonicClock.nowMs();
    const time = this.#options.now().toISOString();
    const message = told.message.slice(0, MAX_MESSAGE_CHARS);
    const key = [about.metadata.uid, told.type, told.reason, message].join(' ');
    const earlier = this.#entries.get(key);
    const isRepeated = earlier !== undefined && nowMs - earlier.lastAtMs < REPEAT_MS;
    const entry = isRepeated
      ? earlier
      : makeEntry({ key, about, told: { ...told, message }, time });
    Object.assign(entry, { count: entry.count + 1, lastTime: time, lastAtMs: nowMs });
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#forgetSome();
    this.#pump();
  }

  /** Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#pace.close();
    await this.#pumping;
  }

  #pump(): void {
    if (this.#pumping !== undefined || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#pumping = this.#writeAll().then((waitMs) => {
      this.#pumping = undefined;
      const nextInMs = waitMs ?? this.#next()?.waitMs; // something may have been told just now
      if (nextInMs === undefined || this.#isClosed) return;
      this.#timer = setTimeout(() => this.#pump(), nextInMs);
    });
  }

  /** Returns after how long there is more to write; undefined: when something more is told. */
  async #writeAll(): Promise<number | undefined> {
    for (;;) {
      const next = this.#next();
      if (next === undefined) return undefined;
      if (next.waitMs > 0) return next.waitMs;
      if (!(await this.#pace.turn())) return undefined;
      if (!(await this.#write(next.entry))) return RETRY_MS;
    }
  }

  /** Of those that may be written first a warning, then the one that was told longest ago. */
  #next(): { readonly entry: Entry; readonly waitMs: number } | undefined {
    const nowMs = monotonicClock.nowMs();
    const waiting = this.#waiting().map((entry) => {
      const freeAtMs = (this.#busyUntilMs.get(uidOf(entry)) ?? nowMs) - (BURST - 1) * GAP_MS;
      return { entry, waitMs: Math.max(0, Math.ceil(freeAtMs - nowMs)) };
    });
    const rank = ({ told }: Entry) => (told.type === 'Warning' ? 0 : 1);
    return waiting.toSorted((a, b) => a.waitMs - b.waitMs || rank(a.entry) - rank(b.entry)).at(0);
  }

  #waiting(): Entry[] {
    return [...this.#entries.values()].filter(({ count, writtenCount }) => count > writtenCount);
  }

  /** Resolves with whether the server answered. */
  async #write(entry: Entry): Promise<boolean> {
    const { api, log } = this.#options;
    this.#countIn(entry);
    const { count, lastTime, writtenCount } = entry;
    entry.writtenCount = count;
    try {
      if (entry.isThere) await api.patch(EVENTS, entry.name, { count, lastTimestamp: lastTime });
      else await api.create(EVENTS, makeEvent(entry, this.#options.podName));
      entry.isThere = true;
      this.#isTaking = true;
      return true;
    } catch (error) {
      const code = error instanceof KeelsonError ? error.code : undefined;
      if (code === 'UNAVAILABLE') {
        entry.writtenCount = writtenCount;
        return false;
      }
      // Made after all, by a call that got no answer; or forgotten by the server, after an hour.
      entry.isThere = code === 'ALREADY_EXISTS';
      if (code === 'ALREADY_EXISTS' || code === 'NOT_FOUND') return true;
      // In a namespace that is being deleted none can be made: that is said once.
      if (this.#isTaking) {
        log.warn('events are not taken', {
          ...{ about: show(entry.about.metadata), reason: entry.told.reason },
          error: messageOf(error),
        });
      }
      this.#isTaking = false;
      return true;
    }
  }

  #countIn(entry: Entry): void {
    const nowMs = monotonicClock.nowMs();
    const busyUntilMs = Math.max(nowMs, this.#busyUntilMs.get(uidOf(entry)) ?? nowMs);
    this.#busyUntilMs.set(uidOf(entry), busyUntilMs + GAP_MS);
    if (this.#busyUntilMs.size <= MAX_ENTRIES) return;
    for (const [uid, atMs] of this.#busyUntilMs) if (atMs <= nowMs) this.#busyUntilMs.delete(uid);
  }

  #forgetSome(): void {
    const waiting = this.#waiting();
    if (waiting.length > MAX_WAITING) {
      const least = waiting.find(({ told }) => told.type === 'Normal') ?? waiting[0];
      if (least !== undefined) this.#entries.delete(least.key);
    }
    if (this.#entries.size <= MAX_ENTRIES) return;
    const entries = [...this.#entries.values()];
    const oldest = entries.find(({ count, writtenCount }) => count === writtenCount) ?? entries[0];
    if (oldest !== undefined) this.#entries.delete(oldest.key);
  }
}

const COMPONENT = 'keelson';

function makeEntry(said: Pick<Entry, 'key' | 'about' | 'told'> & { readonly time: string }): Entry {
  const { key, about, told, time } = said;
  const { namespace = 'default', name } = about.metadata;
  return {
    ...{ key, about, told },
    name: { namespace, name: `${name}.${randomBytes(8).toString('hex')}` },
    ...{ firstTime: time, lastTime: time, lastAtMs: 0 },
    ...{ count: 0, writtenCount: 0, isThere: false },
  };
}

function makeEvent(entry: Entry, podName: string): AnyObject {
  const { about, told, firstTime, lastTime, count } = entry;
  const { namespace = 'default', name, uid, resourceVersion } = about.metadata;
  const { apiVersion, kind } = about.resource;
  const event = {
    apiVersion: EVENTS.apiVersion,
    kind: EVENTS.kind,
    metadata: entry.name,
    involvedObject: { apiVersion, kind, namespace, name, uid, resourceVersion },
    ...told,
    ...{ count, firstTimestamp: firstTime, lastTimestamp: lastTime },
    source: { component: COMPONENT, host: podName },
    ...{ reportingComponent: COMPONENT, reportingInstance: podName },
  };
  return event;
}

function uidOf({ about }: Entry): string {
  return about.metadata.uid ?? show(about.metadata);
}

function show({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`;
}
