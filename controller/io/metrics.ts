import { Counter, Gauge, Registry } from 'prom-client';
import { registerProcessMetrics } from '../../replica/common/http-admin.ts';
import { LOGIN_REFUSAL_NAMES, type LoginRefusal } from '../iscsi/login-refusals.ts';
import type { ControllerStatus } from '../protocol/status.ts';

/** Plain numbers that the hot path adds to; the registry reads them when it is asked. */
export interface Counters {
  readonly pdus: Record<'received' | 'sent', number>;
  readonly frames: Record<'received' | 'sent', number>;
  /** Connections of initiators that were cut for what they sent. */
  rejectedConnections: number;
  /** PDUs whose data was not what its digest said. */
  damagedPdus: number;
  readonly loginRefusals: Record<LoginRefusal, number>;
}

export function makeCounters(): Counters {
  return {
    pdus: { received: 0, sent: 0 },
    frames: { received: 0, sent: 0 },
    rejectedConnections: 0,
    damagedPdus: 0,
    loginRefusals: Object.fromEntries(LOGIN_REFUSAL_NAMES.map((why) => [why, 0])) as Record<
      LoginRefusal,
      number
    >,
  };
}

export function makeMetrics(counters: Counters, status: () => ControllerStatus): Registry {
  const registry = new Registry();
  registerProcessMetrics(registry);
  for (const [name, help, values] of [
    ['pdus_total', 'iSCSI PDUs exchanged with initiators.', counters.pdus],
    ['frames_total', 'Replication frames exchanged with copies.', counters.frames],
  ] as const) {
    new Counter({
      ...{ name: `keelson_controller_${name}`, help, labelNames: ['direction'] },
      registers: [registry],
      collect() {
        this.reset();
        for (const [direction, count] of Object.entries(values)) this.inc({ direction }, count);
      },
    });
  }
  for (const [name, help, count] of [
    [
      'rejected_connections_total',
      'Connections of initiators cut for what they sent.',
      () => counters.rejectedConnections,
    ],
    [
      'data_digest_errors_total',
      'iSCSI PDUs whose data was not what its digest said.',
      () => counters.damagedPdus,
    ],
  ] as const) {
    new Counter({
      ...{ name: `keelson_controller_${name}`, help, registers: [registry] },
      collect() {
        this.reset();
        this.inc(count());
      },
    });
  }
  new Counter({
    name: 'keelson_controller_login_refusals_total',
    help: 'Logins of initiators that were refused, by reason.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(counters.loginRefusals)) {
        this.inc({ reason }, count);
      }
    },
  });
  gauge(registry, 'sessions', 'iSCSI sessions.', () => status().target.sessions);
  gauge(registry, 'epoch', 'Epoch held by this controller.', () => status().epoch);
  gauge(
    registry,
    'copies_in_sync',
    'Copies recorded in-sync.',
    () => status().copies.filter((copy) => copy.state === 'in-sync').length,
  );
  return registry;
}

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    ...{ name: `keelson_controller_${name}`, help, registers: [registry] },
    collect() {
      this.set(value());
    },
  });
}
