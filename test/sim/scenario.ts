import { FAILURE_MODES, type FailureMode } from '../../controller/protocol/registration.ts';
import { withCopies } from '../../orchestrator/registry/edits.ts';
import type { BlockRange } from './content.ts';
import type { SimController } from './controller.ts';
import type { Directory } from './directory.ts';
import type { Running } from './operations.ts';
import { REGISTRY_HOST } from './registry.ts';
import type { DiskFailure } from './replica.ts';
import { commandsIn, type Step } from './scenario-file.ts';
import { describeRecord, summarise } from './trace.ts';
import { World } from './world.ts';

/** Commands that wait for something give up after this. */
const PATIENCE_MS = 2_000;

/** Plays a scenario: one volume, every message a millisecond, clocks that agree. */
export class Scenario {
  #world: World | undefined;
  #lines: string[] = [];
  #showsMessages = false;
  readonly #snapshots = new Map<string, Directory>();

  /** What happened in one step, line by line. */
  play(step: Step): string[] {
    this.#lines = [];
    for (const command of commandsIn(step)) this.#do(command);
    for (const violation of this.#world?.checks.violations.splice(0) ?? []) {
      this.#lines.push(`VIOLATION ${violation}`);
    }
    return this.#lines;
  }

  /** What the oracle has against it all, at the end. */
  faults(): readonly string[] {
    return this.#world?.oracle.allFaults() ?? [];
  }

  #do(command: string): void {
    const [verb = '', ...words] = command.split(/\s+/);
    const act = this.#commands[verb];
    if (act === undefined) {
      const known = Object.keys(this.#commands).join(', ');
      throw new Error(`${command}: expected one of ${known}`);
    }
    act(words);
  }

  get #there(): World {
    if (this.#world === undefined) throw new Error('a scenario begins with `volume`');
    return this.#world;
  }

  /** By the first word of a line. */
  readonly #commands: Readonly<Record<string, (words: readonly string[]) => void>> = {
    // volume replicas=1 mode=soft tolerance=1 seed=1
    volume: (words) => this.#makeVolume(parseFields(words)),
    // messages on | off
    messages: ([word]) => {
      this.#showsMessages = word === 'on';
    },
    // Starts a controller, beside any that runs, and waits until it serves.
    start: () => {
      const controller = this.#there.startController();
      this.#waitUntil(() => controller.wasActive || !controller.isAlive);
    },
    // Starts a controller and does not wait.
    begin: () => void this.#there.startController(),
    // run 100: lets so many milliseconds pass.
    run: ([ms]) => this.#there.scheduler.run(Number(ms)),
    // settle: until every wanted copy is in-sync.
    settle: () => this.#waitUntil(() => this.#isHealthy()),
    // write 5-7 [fua] [atomic] [via=c1] [later]
    write: (words) =>
      this.#operate(words, (via, range) => {
        const how = { fua: words.includes('fua'), isAtomic: words.includes('atomic') };
        return this.#there.operations.write(via, range, how);
      }),
    read: (words) => this.#operate(words, (via, range) => this.#there.operations.read(via, range)),
    trim: (words) => this.#operate(words, (via, range) => this.#there.operations.trim(via, range)),
    flush: (words) => this.#operate(['0', ...words], (via) => this.#there.operations.flush(via)),
    // stop-cleanly: SIGTERM of the controller.
    'stop-cleanly': () => {
      const { controller } = this.#there;
      controller.shutDown();
      this.#waitUntil(() => !controller.isAlive);
    },

    kill: ([name = '']) => this.#kill(name),
    // kill-within r1 3: before, or within, the effect that comes after so many.
    'kill-within': ([name = '', count]) => {
      (this.#controllerNamed(name) ?? this.#there.replica(name)).crashAfter = Number(count);
    },
    restart: (names) => {
      for (const name of names) this.#there.startReplica(name);
    },
    freeze: ([name = '']) => this.#processOf(name)?.pause(),
    thaw: ([name = '']) => this.#processOf(name)?.resume(),
    'power-off': (names) => {
      for (const name of names) this.#there.losePower(this.#there.node(name));
    },
    // power-on node1: the machine, and the replica on it.
    'power-on': (names) => {
      for (const name of names) this.#powerOn(name);
    },
    // write-back r1: its kernel writes everything to the disk.
    'write-back': ([name = '']) => this.#there.replica(name).directory.data.startSync()(),
    // fail r1 sync: the next one.
    fail: ([name = '', what]) => {
      this.#there.replica(name).failure = what as DiskFailure;
    },
    empty: ([name = '']) => this.#there.loseDirectory(this.#there.replica(name)),
    snapshot: ([name = '']) => {
      this.#snapshots.set(name, this.#there.replica(name).directory.snapshot());
    },
    'roll-back': ([name = '']) => {
      this.#there.rollBack(this.#there.replica(name), this.#snapshots.get(name)!);
    },

    // cut c1 node2, heal c1 node2: both ways; cut c1 > node2: one way.
    cut: (words) => this.#eachRoute(words, (route) => route.cut()),
    heal: (words) => this.#eachRoute(words, (route) => route.heal()),
    // mute, speak: the registry stores, but its answers do not get out.
    mute: () => {
      this.#there.registry.isMute = true;
    },
    speak: () => this.#there.registry.speak(),

    // mode alwayson; replicas 2; add-copy node3; remove-copy r2; leave r2
    mode: ([mode]) => this.#setPolicy({ failureMode: mode as FailureMode }),
    replicas: ([count]) => this.#setPolicy({ replicas: Number(count) }),
    'add-copy': ([node = '']) => this.#addCopy(node),
    'remove-copy': ([replicaId = '']) => {
      this.#editCopies({ kind: 'remove-copy', replicaId });
    },
    leave: (replicaIds) => this.#editCopies({ kind: 'set-leaving', replicaIds }),
    // The orchestrator has seen the end of a controller.
    'know-gone': ([name = '']) => {
      this.#there.registry.edit((volume) => ({
        ...volume,
        goneInstances: [...volume.goneInstances, name],
      }));
    },

    // record: as the registry has it. show 5-7: what the disks hold. health: of the controller.
    record: () => this.#say(`record  ${describeRecord(this.#there.registry.record)}`),
    show: ([blocks = '']) => this.#show(parseBlocks(blocks)),
    health: () => this.#say(this.#there.controller.volume.health()),
  };

  #makeVolume(fields: Readonly<Record<string, string>>): void {
    const { replicas = '1', mode = 'soft', tolerance = replicas, seed = '1' } = fields;
    const failureMode = FAILURE_MODES.find((known) => known === mode);
    if (failureMode === undefined) throw new Error(`mode ${mode}`);
    const world = new World({
      ...{ seed: Number(seed), replicas: Number(replicas), nodeCount: Number(replicas) + 2 },
      ...{ failureMode, failureTolerance: Number(tolerance) },
    });
    world.network.delays = { minMs: 1, maxMs: 1 };
    world.trace.listener = (line) => this.#hear(line);
    world.startReplicas();
    this.#world = world;
  }

  /** Lines of the trace, without the time and without what a reader has just commanded. */
  #hear(line: string): void {
    const what = line.slice(TIME_COLUMNS);
    const isMessage = what.includes(' → ');
    if (what.startsWith('!!') || what.includes('HEARTBEAT')) return;
    if (!isMessage || this.#showsMessages) this.#say(what);
  }

  #say(line: string): void {
    this.#lines.push(line);
  }

  #waitUntil(isDone: () => boolean): void {
    if (!this.#there.scheduler.runUntil(isDone, PATIENCE_MS)) this.#say('nothing more happens');
  }

  #isHealthy(): boolean {
    const { controller, registry } = this.#there;
    const states = Object.values(registry.record.copies).map(({ state }) => state);
    const isFull =
      states.filter((state) => state === 'in-sync').length > registry.volume.spec.replicas;
    return isFull && controller.wasActive && controller.volume.health() === 'healthy';
  }

  #operate(
    words: readonly string[],
    begin: (via: SimController, range: BlockRange) => Running,
  ): void {
    const [blocks = '', ...options] = words;
    const { via } = parseFields(options);
    const controller = this.#there.controllers.find(({ instanceId }) => instanceId === via);
    const running = begin(controller ?? this.#there.controller, parseBlocks(blocks));
    if (!options.includes('later')) this.#waitUntil(() => running.outcome !== undefined);
  }

  #kill(name: string): void {
    const controller = this.#controllerNamed(name);
    if (controller === undefined) this.#there.replica(name).crash();
    else controller.crash();
  }

  #processOf(name: string) {
    return (this.#controllerNamed(name) ?? this.#there.replica(name)).process;
  }

  #controllerNamed(name: string): SimController | undefined {
    return this.#there.controllers.find(({ instanceId }) => instanceId === name);
  }

  #powerOn(name: string): void {
    const node = this.#there.node(name);
    node.powerOn();
    if (node.replica !== undefined) this.#there.startReplica(node.replica.replicaId);
  }

  #eachRoute(words: readonly string[], act: (route: { cut(): void; heal(): void }) => void): void {
    const { network } = this.#there;
    const names = words.filter((word) => word !== '>');
    const [from = '', to = ''] = names.map((name) => (name === 'registry' ? REGISTRY_HOST : name));
    act(network.route(from, to));
    if (!words.includes('>')) act(network.route(to, from));
  }

  #setPolicy(policy: { failureMode?: FailureMode; replicas?: number }): void {
    this.#there.registry.edit((volume) => ({ ...volume, spec: { ...volume.spec, ...policy } }));
  }

  #addCopy(node: string): void {
    this.#editCopies({ kind: 'add-copy', node });
    this.#there.startReplicas();
  }

  #editCopies(edit: Parameters<typeof withCopies>[2][0]): void {
    const { registry } = this.#there;
    registry.edit((volume) => withCopies(volume, registry.record.version, [edit]));
  }

  #show(range: BlockRange): void {
    const { registry, replicas } = this.#there;
    const shown = Object.keys(registry.record.copies).map((replicaId) => {
      const { data } = replicas.get(replicaId)!.directory;
      return `${replicaId}: ${summarise(data.readRange(range))}`;
    });
    this.#say(shown.join(', '));
  }
}

/** Of the time in front of each line of the trace. */
const TIME_COLUMNS = 10;

/** `5` or `5-7`, both ends included. */
function parseBlocks(text: string): BlockRange {
  const [first = 0, last = first] = text.split('-').map(Number);
  return { first, count: last - first + 1 };
}

function parseFields(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => word.split('=') as [string, string]));
}
