import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { registerProcessMetrics } from '../common/http-admin.ts';

/** Plain numbers that the hot path adds to; the registry reads them when it is asked. */
export interface Counters {
  readonly operations: Record<'read' | 'write' | 'trim' | 'flush' | 'hash' | 'save', number>;
  /** Bytes of the volume, before compression. */
  readonly bytes: Record<'read' | 'write' | 'trim' | 'hash', number>;
  /** Bytes on the wire, as received and sent. */
  readonly wireBytes: Record<'received' | 'sent', number>;
  readonly errors: Record<'io' | 'no-space', number>;
  /** Connections that were cut: no proof, not our protocol, or too many. */
  rejectedConnections: number;
}

export function makeCounters(): Counters {
  return {
    operations: { read: 0, write: 0, trim: 0, flush: 0, hash: 0, save: 0 },
    bytes: { read: 0, write: 0, trim: 0, hash: 0 },
    wireBytes: { received: 0, sent: 0 },
    errors: { io: 0, 'no-space': 0 },
    rejectedConnections: 0,
  };
}

/** What is asked for when the metrics are. */
export interface GaugedFacts {
  readonly allocatedBytes: () => number;
  readonly hotExtents: () => number;
}

export interface ReplicaMetrics {
  readonly registry: Registry;
  observeFsync(seconds: number): void;
}

export function makeMetrics(counters: Counters, facts: GaugedFacts): ReplicaMetrics {
  const registry = new Registry();
  registerProcessMetrics(registry);
  for (const [name, help, label, values] of [
    ['operations_total', 'Requests carried out.', 'operation', counters.operations],
    ['bytes_total', 'Bytes of the volume that requests touched.', 'operation', counters.bytes],
    ['wire_bytes_total', 'Bytes on the wire.', 'direction', counters.wireBytes],
    ['errors_total', 'Requests that the disk failed.', 'kind', counters.errors],
  ] as const) {
    new Counter({
      ...{ name: `keelson_replica_${name}`, help, labelNames: [label], registers: [registry] },
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(values)) this.inc({ [label]: value }, count);
      },
    });
  }
  new Counter({
    name: 'keelson_replica_rejected_connections_total',
    help: 'Connections cut for not speaking the protocol or not holding the secret.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(counters.rejectedConnections);
    },
  });
  for (const [name, help, read] of [
    ['allocated_bytes', 'Space that the data file really takes.', facts.allocatedBytes],
    ['hot_extents', 'Extents written to since their last checkpoint.', facts.hotExtents],
  ] as const) {
    new Gauge({
      ...{ name: `keelson_replica_${name}`, help, registers: [registry] },
      collect() {
        this.set(read());
      },
    });
  }
  const fsync = new Histogram({
    name: 'keelson_replica_fsync_seconds',
    help: 'Time one fdatasync of the data file took.',
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return { registry, observeFsync: (seconds) => fsync.observe(seconds) };
}
