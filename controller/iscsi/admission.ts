import {
  MAX_LOGINS,
  MAX_LOGINS_PER_ADDRESS,
  MAX_SESSIONS,
  MAX_SESSIONS_PER_ADDRESS,
  MAX_SESSIONS_PER_INITIATOR,
  PING_ANSWER_MS,
  QUIET_MS,
} from './limits.ts';
import type { Login } from './login.ts';
import type { Session } from './session.ts';
import type { ConnectionId } from './step.ts';

export interface Connection {
  readonly id: ConnectionId;
  /** Address of the peer without its port: what one machine cannot have many of. */
  readonly address: string;
  readonly openedMs: number;
  heardMs: number;
  /** When it was asked for a sign of life, if nothing was heard of it since. */
  pingedMs: number | undefined;
  phase: Phase;
}

export type Phase =
  | { readonly kind: 'login'; readonly login: Login }
  | { readonly kind: 'full-feature'; readonly session: Session };

export type LoggedIn = Connection & { phase: Extract<Phase, { kind: 'full-feature' }> };

/** `127.0.0.1` of `127.0.0.1:40112`; an IPv6 address keeps its colons. */
export function addressOf(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(':'));
}

/**
 * The login that has to give its place to a connection from `address`, or undefined while there is
 * room. An address that has many logins under way loses one of its own; when all places are taken,
 * the address with the most of them does. So whoever opens connections without logging in keeps
 * nobody else out.
 */
export function findOldLogin(
  connections: Iterable<Connection>,
  address: string,
): Connection | undefined {
  const byAddress = new Map<string, Connection[]>();
  let count = 0;
  for (const connection of connections) {
    if (connection.phase.kind !== 'login') continue;
    const same = byAddress.get(connection.address);
    if (same === undefined) byAddress.set(connection.address, [connection]);
    else same.push(connection);
    count += 1;
  }
  const own = byAddress.get(address) ?? [];
  if (own.length >= MAX_LOGINS_PER_ADDRESS) return own[0];
  if (count < MAX_LOGINS) return undefined;
  const most = [...byAddress.values()].reduce((a, b) => (b.length > a.length ? b : a));
  return most[0];
}

/**
 * The sessions among which one has to go before there is room for another of this initiator from
 * this address; undefined while there is room.
 */
export function findCrowd(
  connections: Iterable<Connection>,
  newcomer: { readonly initiatorName: string; readonly address: string },
): LoggedIn[] | undefined {
  const all = [...connections].filter(isLoggedIn);
  const ofInitiator = all.filter(
    ({ phase }) => phase.session.initiatorName === newcomer.initiatorName,
  );
  if (ofInitiator.length >= MAX_SESSIONS_PER_INITIATOR) return ofInitiator;
  const ofAddress = all.filter(({ address }) => address === newcomer.address);
  if (ofAddress.length >= MAX_SESSIONS_PER_ADDRESS) return ofAddress;
  return all.length >= MAX_SESSIONS ? all : undefined;
}

/**
 * The session that gives way to a newcomer: the one that is silent longest, if it had a ping and
 * the time to answer it, or is a discovery session, which come back at will.
 */
export function findDead(crowd: readonly LoggedIn[], nowMs: number): LoggedIn | undefined {
  return crowd
    .filter(({ phase, pingedMs, heardMs }) =>
      phase.session.isDiscovery
        ? nowMs - heardMs >= QUIET_MS
        : pingedMs !== undefined && nowMs - pingedMs >= PING_ANSWER_MS,
    )
    .reduce<LoggedIn | undefined>(
      (a, b) => (a === undefined || b.heardMs < a.heardMs ? b : a),
      undefined,
    );
}

/** Whether nothing was heard of this session for so long that it may be asked for a sign of life. */
export function isQuiet(connection: LoggedIn, forMs: number, nowMs: number): boolean {
  return (
    !connection.phase.session.isDiscovery &&
    connection.pingedMs === undefined &&
    nowMs - connection.heardMs >= forMs
  );
}

export function isLoggedIn(connection: Connection): connection is LoggedIn {
  return connection.phase.kind === 'full-feature';
}
