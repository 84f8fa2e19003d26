import type { ProcessInfo } from '../support/processes.ts';
import type { SeededRandom } from '../support/random.ts';
import { type Installation, nodeOf, optionOf, type Role } from './installation.ts';
import { changeReplicas, takeNodeAway } from './operator-faults.ts';
import { signal } from './signal.ts';
import type { SmallDisk } from './small-disk.ts';
import { type Direction, directionsOf, disturb } from './traffic.ts';

export interface ChaosVolume {
  readonly name: string;
  /** To which it always comes back. */
  readonly replicas: number;
}

/** What faults are done to. */
export interface Patient {
  readonly installation: Installation;
  readonly volumes: readonly ChaosVolume[];
  readonly disk: SmallDisk;
  readonly dataDir: string;
  /** Nodes whose directory is a plain one, so that it can be renamed. */
  readonly plainNodes: readonly string[];
  readonly random: SeededRandom;
}

/** A fault that was begun. */
export interface Fault {
  readonly what: string;
  /** How long it lasts before it is healed; 0 when there is nothing to heal. */
  readonly durationMs: number;
  readonly heal: () => Promise<void> | void;
}

export interface FaultKind {
  readonly name: string;
  /** How often it comes in one round of all kinds. */
  readonly weight: number;
  /** undefined: nothing there that it could be done to at this moment. */
  readonly begin: (patient: Patient) => Promise<Fault | undefined> | Fault | undefined;
}

/** Longer than a lease on reads (5 s) and than the silence after which a copy is lost (3 s). */
const LONG_STOP_MS = 8_000;

/** Where controllers reach the orchestrator. */
const REGISTRY = { host: '127.0.0.1', port: 5705 };

export const FAULT_KINDS: readonly FaultKind[] = [
  { name: 'kill controller', weight: 3, begin: (patient) => killOne(patient, 'controller') },
  { name: 'kill replica', weight: 3, begin: (patient) => killOne(patient, 'replica') },
  { name: 'kill all of a volume', weight: 1, begin: killVolume },
  { name: 'kill orchestrator', weight: 1, begin: killOrchestrator },
  { name: 'kill everything', weight: 1, begin: killEverything },
  { name: 'stop controller', weight: 2, begin: (patient) => stopOne(patient, 'controller') },
  { name: 'stop replica', weight: 2, begin: (patient) => stopOne(patient, 'replica') },
  { name: 'cut replica off', weight: 3, begin: cutReplica },
  { name: 'kill controller of a lagging replica', weight: 3, begin: killAheadOfReplica },
  { name: 'cut registry off', weight: 1, begin: cutRegistry },
  { name: 'slow link', weight: 2, begin: slowReplica },
  { name: 'full disk', weight: 2, begin: fillDisk },
  { name: 'node away', weight: 2, begin: takeNodeAway },
  { name: 'change replicas', weight: 2, begin: changeReplicas },
];

/** SIGKILL to every process below the orchestrator, and to itself. */
export function killEverything({ installation }: Pick<Patient, 'installation'>): Fault {
  const processes = installation.processes();
  installation.killOrchestrator();
  for (const { pid } of processes) signal(pid, 'SIGKILL');
  return instant(`${processes.length} processes`);
}

function killOne(patient: Patient, role: Role): Fault | undefined {
  const found = pick(patient, patient.installation.processes(role));
  if (found === undefined) return undefined;
  signal(found.pid, 'SIGKILL');
  return instant(nameOf(found));
}

function killVolume({ installation, volumes, random }: Patient): Fault {
  const { name } = volumes[random.below(volumes.length)] as ChaosVolume;
  for (const { pid } of installation.processes(undefined, name)) signal(pid, 'SIGKILL');
  return instant(name);
}

function killOrchestrator({ installation }: Patient): Fault {
  installation.killOrchestrator();
  return instant('');
}

/** Half the stops are blips that nobody should act on, the others outlast every wait. */
function stopOne(patient: Patient, role: Role): Fault | undefined {
  const { installation, random } = patient;
  const found = pick(patient, installation.processes(role));
  if (found === undefined) return undefined;
  signal(found.pid, 'SIGSTOP');
  const durationMs = random.below(2) === 0 ? 100 + random.below(2_500) : LONG_STOP_MS;
  return {
    what: `${nameOf(found)} for ${durationMs} ms`,
    durationMs,
    heal: () => signal(found.pid, 'SIGCONT'),
  };
}

async function cutReplica(patient: Patient): Promise<Fault | undefined> {
  const { installation, random } = patient;
  const found = pick(patient, installation.processes('replica'));
  if (found === undefined) return undefined;
  const ways = ([['in'], ['out'], ['in', 'out']] as const)[random.below(3)] ?? [];
  const durationMs = 500 + random.below(LONG_STOP_MS);
  const heal = await disturb(directionsOf(optionOf(found, 'listen'), ways), { kind: 'cut' });
  const what = `${nameOf(found)}, ${ways.join(' and ')}, for ${durationMs} ms`;
  return { what, durationMs, heal };
}

/**
 * A replica stops or is cut off, briefly enough not to be missed; then the controller dies, and the
 * replica is back at once. Writes of the dead controller have reached the other copies only, and may
 * still lie in this one's socket when the next controller says hello (I4, I6).
 */
async function killAheadOfReplica(patient: Patient): Promise<Fault | undefined> {
  const { installation, random } = patient;
  const lagging = pick(patient, installation.processes('replica'));
  const volume = lagging && optionOf(lagging, 'volume').replace('default/', '');
  const [controller] = installation.processes('controller', volume);
  if (lagging === undefined || controller === undefined) return undefined;
  const durationMs = 100 + random.below(2_000);
  const isStopped = random.below(2) === 0;
  if (isStopped) signal(lagging.pid, 'SIGSTOP');
  const directions = directionsOf(optionOf(lagging, 'listen'), ['in', 'out']);
  const mend = isStopped
    ? () => signal(lagging.pid, 'SIGCONT')
    : await disturb(directions, { kind: 'cut' });
  return {
    what: `${nameOf(lagging)}, ${isStopped ? 'stopped' : 'cut off'} for ${durationMs} ms`,
    durationMs,
    heal: () => {
      signal(controller.pid, 'SIGKILL');
      return mend();
    },
  };
}

async function cutRegistry({ random }: Patient): Promise<Fault> {
  const ways = ([['in'], ['out'], ['in', 'out']] as const)[random.below(3)] ?? [];
  const durationMs = 200 + random.below(5_000);
  const directions = ways.map((way): Direction => ({ ...REGISTRY, way }));
  const heal = await disturb(directions, { kind: 'cut' });
  return { what: `${ways.join(' and ')}, for ${durationMs} ms`, durationMs, heal };
}

/** From slower than any disk to a link that a burst fills for seconds. */
async function slowReplica(patient: Patient): Promise<Fault | undefined> {
  const { installation, random } = patient;
  const found = pick(patient, installation.processes('replica'));
  if (found === undefined) return undefined;
  const kbit = 500 * 2 ** random.below(7);
  const durationMs = 1_000 + random.below(6_000);
  const directions = directionsOf(optionOf(found, 'listen'), ['in', 'out']);
  const heal = await disturb(directions, { kind: 'slow', kbit });
  const what = `${nameOf(found)} to ${kbit} kbit/s for ${durationMs} ms`;
  return { what, durationMs, heal };
}

async function fillDisk({ disk, random }: Patient): Promise<Fault> {
  const durationMs = 1_000 + random.below(5_000);
  await disk.fill();
  return { what: `for ${durationMs} ms`, durationMs, heal: () => disk.free() };
}

function instant(what: string): Fault {
  return { what, durationMs: 0, heal: () => undefined };
}

function pick({ random }: Patient, found: readonly ProcessInfo[]): ProcessInfo | undefined {
  return found.length === 0 ? undefined : found[random.below(found.length)];
}

function nameOf(found: ProcessInfo): string {
  const volume = optionOf(found, 'volume').replace('default/', '');
  const node = nodeOf(found);
  return `${volume} ${node === '' ? 'controller' : `replica on ${node}`}`;
}
