import { RESERVATION_TYPE } from '../../../../controller/scsi/reservations/state.ts';
import { SeededRandom } from '../../../support/random.ts';
import { Cluster, type Host, type OutOptions } from './cluster.ts';

const TYPES: readonly number[] = Object.values(RESERVATION_TYPE);
const HOSTS = ['a', 'b', 'c', 'd'] as const satisfies Host[];
const ACTIONS = [
  'REGISTER',
  'REGISTER_AND_IGNORE_EXISTING_KEY',
  'RESERVE',
  'RELEASE',
  'CLEAR',
  'PREEMPT',
  'PREEMPT_AND_ABORT',
] as const;
type Action = (typeof ACTIONS)[number];

const READ = '28 00 00000000 00 0001';
const WRITE = '2a 00 00000000 00 0001';

/**
 * What SPC-4 says, written down a second time and as plainly as possible: who is registered with
 * which key, who holds, and what each host is still to be told.
 */
class Model {
  keys = new Map<Host, number>();
  holder: { type: number; host: Host } | undefined;
  persists = false;
  generation = 0;
  readonly told = new Map<Host, string[]>(HOSTS.map((host) => [host, []]));

  out(
    host: Host,
    action: Action,
    { key = 0, sark = 0, type = 0, aptpl = false }: OutOptions,
  ): string {
    const own = this.keys.get(host);
    if (action === 'REGISTER' || action === 'REGISTER_AND_IGNORE_EXISTING_KEY') {
      if (action === 'REGISTER' && key !== (own ?? 0)) return 'conflict';
      if (own === undefined && sark === 0) return 'good';
      this.persists = aptpl;
      this.generation += 1;
      if (sark !== 0) this.keys.set(host, sark);
      else this.#leave(host);
      return 'good';
    }
    if (own === undefined || own !== key) return 'conflict';
    if (action === 'CLEAR') return this.#clear(host);
    if (action === 'RESERVE') return this.#reserve(host, type);
    if (action === 'RELEASE') return this.#release(host, type);
    return this.#preempt(host, sark, type);
  }

  mayDo(host: Host, command: 'read' | 'write'): boolean {
    if (this.holder === undefined || this.#holds(host)) return true;
    const { type } = this.holder;
    if (type >= 5 && this.keys.has(host)) return true;
    return command === 'read' && [1, 5, 7].includes(type);
  }

  restart(): void {
    this.generation = 0;
    for (const host of HOSTS) this.told.set(host, []);
    if (this.persists) return;
    this.keys = new Map();
    this.holder = undefined;
  }

  reservation(): string {
    if (this.holder === undefined) return 'none';
    const { type, host } = this.holder;
    return `${type >= 7 ? 0 : this.keys.get(host)}/${type}`;
  }

  #holds(host: Host): boolean {
    if (this.holder === undefined) return false;
    return this.holder.type >= 7 ? this.keys.has(host) : this.holder.host === host;
  }

  #tell(hosts: Iterable<Host>, code: string): void {
    for (const host of hosts) {
      const queue = this.told.get(host) ?? [];
      if (!queue.includes(code)) queue.push(code);
    }
  }

  #others(host: Host): Host[] {
    return [...this.keys.keys()].filter((other) => other !== host);
  }

  #leave(host: Host): void {
    const held = this.#holds(host);
    this.keys.delete(host);
    if (!held || this.holder === undefined) return;
    const { type } = this.holder;
    if (type >= 7 && this.keys.size > 0) return;
    this.holder = undefined;
    if (type === 5 || type === 6) this.#tell(this.keys.keys(), '06/2a/04');
  }

  #clear(host: Host): string {
    this.generation += 1;
    this.#tell(this.#others(host), '06/2a/03');
    this.keys.clear();
    this.holder = undefined;
    return 'good';
  }

  #reserve(host: Host, type: number): string {
    if (!TYPES.includes(type)) return '05/24/00';
    if (this.holder === undefined) this.holder = { type, host };
    return this.#holds(host) && this.holder.type === type ? 'good' : 'conflict';
  }

  #release(host: Host, type: number): string {
    if (this.holder === undefined || !this.#holds(host)) return 'good';
    if (this.holder.type !== type) return '05/26/04';
    this.holder = undefined;
    if (type >= 5) this.#tell(this.#others(host), '06/2a/04');
    return 'good';
  }

  #preempt(host: Host, sark: number, type: number): string {
    const held = this.holder;
    const holderKey = held === undefined || held.type >= 7 ? 0 : this.keys.get(held.host);
    const named = [...this.keys].filter(([, key]) => key === sark).map(([other]) => other);
    if (held === undefined || sark !== holderKey) {
      if (held !== undefined && sark === 0) return '05/26/00';
      if (named.length === 0) return 'conflict';
      this.generation += 1;
      for (const other of named) this.keys.delete(other);
      if (this.keys.size === 0) this.holder = undefined;
      this.#tell(
        named.filter((other) => other !== host),
        '06/2a/05',
      );
      return 'good';
    }
    if (!TYPES.includes(type)) return '05/24/00';
    this.generation += 1;
    const gone = (sark === 0 ? this.#others(host) : named).filter((other) => other !== host);
    for (const other of gone) this.keys.delete(other);
    this.#tell(gone, '06/2a/05');
    if (held.type !== type) this.#tell(this.#others(host), '06/2a/04');
    this.holder = { type, host };
    return 'good';
  }
}

/** One command at a time; every answer, and all that can be asked for, is compared with the model. */
test.each([1, 2, 3, 4])(
  'random commands of four nexuses do what a naive model does, seed %i',
  (seed) => {
    const random = new SeededRandom(seed);
    const cluster = new Cluster(HOSTS);
    const model = new Model();
    const seen = new Map<string, number>();
    for (let count = 0; count < 1200; count += 1) {
      const host = random.pick(HOSTS);
      if (random.chance(0.005)) {
        cluster.restart();
        model.restart();
      } else if (random.chance(0.02)) {
        cluster.logout(host);
        cluster.login(host);
        model.told.set(host, []);
      }
      const action = random.pick(ACTIONS);
      const options = {
        key: random.chance(0.75) ? (model.keys.get(host) ?? 0) : random.below(4),
        sark: random.below(4),
        type: random.chance(0.6) && model.holder ? model.holder.type : random.below(10),
        aptpl: random.chance(0.5),
      };
      expect(cluster.attentions(host)).toEqual(model.told.get(host));
      model.told.set(host, []);
      const word = cluster.out(host, action, options);
      const step = `step ${count} ${host} ${action} ${JSON.stringify(options)}`;
      expect(`${step} ${word}`).toBe(`${step} ${model.out(host, action, options)}`);
      seen.set(`${action} ${word}`, (seen.get(`${action} ${word}`) ?? 0) + 1);
      expect(cluster.keys().sort()).toEqual([...model.keys.values()].sort());
      expect(cluster.reservation()).toBe(model.reservation());
      expect(cluster.generation()).toBe(model.generation);
      const reader = random.pick(HOSTS);
      for (const command of ['read', 'write'] as const) {
        if ((model.told.get(reader) ?? []).length > 0 && model.mayDo(reader, command)) continue;
        const cdb = command === 'read' ? READ : WRITE;
        const answer = cluster.ask(reader, cdb, Buffer.alloc(512));
        expect(`${step} ${reader} ${command} ${answer}`).toBe(
          `${step} ${reader} ${command} ${model.mayDo(reader, command) ? 'good' : 'conflict'}`,
        );
      }
    }
    // Not one kind of action may have been refused, or let through, all the time.
    for (const action of ACTIONS) expect(seen.get(`${action} good`)).toBeGreaterThan(10);
    for (const action of ACTIONS) {
      if (action === 'REGISTER_AND_IGNORE_EXISTING_KEY') continue;
      expect(seen.get(`${action} conflict`)).toBeGreaterThan(10);
    }
  },
);
