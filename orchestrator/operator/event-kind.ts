/** What an Event is about, in one word for programs, and whether people must look at it. */
export interface EventKind {
  readonly reason: string;
  readonly type: 'Normal' | 'Warning';
}

const COPY = /^copy r\d+ on \S+ /;

/**
 * The event log has sentences alone (explain.ts, update.ts, reconciler.ts); Kubernetes wants a word as
 * well. A sentence that is new here is a Normal event, `Changed`: a test holds the table against what is
 * said.
 */
const KINDS: readonly (readonly [RegExp, string, EventKind['type']])[] = [
  [/^created$/, 'Created', 'Normal'],
  [/^deleted$/, 'Deleted', 'Normal'],
  [/ is left behind, its node or its disk is away/, 'LeftBehind', 'Warning'],
  [/^erase copy /, 'EraseFailed', 'Warning'],
  [/; trying again$/, 'Failed', 'Warning'],
  [/^no available node for another copy/, 'NoRoom', 'Warning'],
  [/^copy r\d+ waits for \S+, which is down/, 'NodeDown', 'Warning'],
  [/^controller (re)?started \(epoch \d+\)/, 'ControllerStarted', 'Normal'],
  [/^controller ready at /, 'ControllerReady', 'Normal'],
  [/^replica .* ready at /, 'ReplicaReady', 'Normal'],
  [/^controller exited \(/, 'ControllerExited', 'Warning'],
  [/^replica .* exited \(/, 'ReplicaExited', 'Warning'],
  [/^(controller|replica .*) stopped$/, 'Stopped', 'Normal'],
  [/^(controller|replica .*) is paused$/, 'Paused', 'Warning'],
  [/^(controller|replica .*) goes on$/, 'GoesOn', 'Normal'],
  [after(COPY, 'is in sync'), 'CopyInSync', 'Normal'],
  [after(COPY, 'is syncing'), 'CopySyncing', 'Normal'],
  [after(COPY, 'added'), 'CopyAdded', 'Normal'],
  [after(COPY, 'has left'), 'CopyLeft', 'Normal'],
  [after(COPY, 'removed'), 'CopyRemoved', 'Normal'],
  [/^copy r\d+ is to go$/, 'CopyLeaving', 'Normal'],
  [after(COPY, 'stopped syncing'), 'CopyStale', 'Warning'],
  [after(COPY, 'is stale'), 'CopyStale', 'Warning'],
  [after(COPY, 'lost'), 'CopyLost', 'Warning'],
];

const OTHER: EventKind = { reason: 'Changed', type: 'Normal' };

export function eventKindOf(message: string): EventKind {
  const found = KINDS.find(([pattern]) => pattern.test(message));
  return found === undefined ? OTHER : { reason: found[1], type: found[2] };
}

function after(start: RegExp, words: string): RegExp {
  return new RegExp(`${start.source}${words}`);
}
