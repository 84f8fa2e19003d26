import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { eventually } from '../../support/child.ts';
import { NODE, ROOT } from '../../support/keelson.ts';
import { type Guest, HOST_ADDRESS } from '../../support/uml/guest.ts';

const HERE = resolve('test/support/uml');
/** Where Docker looks for the driver `keelson`. */
const SOCKET = '/run/docker/plugins/keelson.sock';
const STATE = '/run/state';
const WATCHED = '/run/watched';
/** What changes anything, beside iscsiadm. */
const PROGRAMS = ['sg_persist', 'mkfs.ext4', 'mount', 'umount'];
/** A call takes seconds in the guest, and there may be several at a time. */
const ANSWER_POLL = { withinMs: 120_000, everyMs: 250 };

/**
 * Node.js picks AVX-512 for JSON and UTF-8 by what the CPU has, and UML saves no AVX-512 state: what is
 * parsed there comes out as something else.
 */
const ENVIRONMENT =
  `SIMDJSON_FORCE_IMPLEMENTATION=fallback SIMDUTF_FORCE_IMPLEMENTATION=fallback ` +
  `NODE_COMPILE_CACHE=/run/compile-cache NODE_PATH=${ROOT}/node_modules`;

/** Where the driver mounts a volume of the namespace default. */
export function mountPathOf(volume: string): string {
  return `${STATE}/mounts/default.${volume}`;
}

export interface Answer {
  readonly Err: string;
  readonly Mountpoint?: string;
}

/** A volume driver in the guest, and what Docker would be to it. */
export class GuestDriver {
  readonly #guest: Guest;
  /** For its bundle. */
  readonly #directory: string;
  #callCount = 0;

  constructor(guest: Guest, directory: string) {
    this.#guest = guest;
    this.#directory = directory;
  }

  /**
   * The guest's loopback is the host's from here on: the orchestrator and the portals listen there, and
   * say so in what they answer.
   */
  async prepare(): Promise<void> {
    const localnet =
      'for f in all vec0; do echo 1 > /proc/sys/net/ipv4/conf/$f/route_localnet; done';
    await this.#guest.run(
      `ip addr del 127.0.0.1/8 dev lo; ${localnet}; ip route add 127.0.0.0/8 via ${HOST_ADDRESS} dev vec0`,
    );
    await this.#guest.run('dmesg -n 1'); // what the kernel says would stand between answers
    // First on the driver's path.
    await this.#guest.run(`mount -t tmpfs none /usr/local/sbin && mkdir -p ${WATCHED}/real`);
    await this.#watch(['iscsiadm']);
  }

  /**
   * From one file, because every file that it opens is a round trip to the host's file system, and it
   * is started often.
   */
  async #bundle(): Promise<string> {
    const outfile = join(this.#directory, 'docker-driver.cjs');
    const entryPoints = [join(ROOT, 'orchestrator/docker-driver/main.ts')];
    const external = ['fs-native-extensions']; // has a part that is no JavaScript
    const format = { bundle: true, platform: 'node', target: 'node26', format: 'cjs' } as const;
    await build({ entryPoints, outfile, external, ...format, logLevel: 'error' });
    return outfile;
  }

  /** Runs it for as long as the guest does: when it is killed, it is started again. */
  async start(words: string): Promise<void> {
    const command = `${NODE} ${await this.#bundle()} --socket ${SOCKET} --state-dir ${STATE} ${words}`;
    const loop = `until [ -e /run/stopped ]; do ${command} & echo $! > ${WATCHED}/victim; wait $!; done`;
    await this.#guest.run(`export ${ENVIRONMENT}; (${loop}) >>/run/driver.log 2>&1 &`);
    await this.call('Plugin.Activate');
  }

  async stop(): Promise<void> {
    await this.#guest.run(`touch /run/stopped; kill $(cat ${WATCHED}/victim); wait`);
  }

  async call(call: string, body: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    this.#callCount += 1;
    const path = `/run/answer${this.#callCount}`;
    const made = `perl ${HERE}/plugin-call.pl ${SOCKET} ${call} '${JSON.stringify(body)}'`;
    await this.#guest.run(`(${made} >${path}.part 2>&1; mv ${path}.part ${path}) &`);
    const printed = await eventually(
      `${call} is answered`,
      async () => (await this.#guest.run(`cat ${path} 2>/dev/null; true`)) || undefined,
      ANSWER_POLL,
    );
    return JSON.parse(printed) as Answer;
  }

  /** Errors: throws what the driver says. */
  async ok(call: string, body: Readonly<Record<string, unknown>>): Promise<Answer> {
    const answer = await this.call(call, body);
    if (answer.Err !== '') throw new Error(`${call} ${JSON.stringify(body)}: ${answer.Err}`);
    return answer;
  }

  /** The error that is expected. */
  async fail(call: string, body: Readonly<Record<string, unknown>>): Promise<string> {
    const answer = await this.call(call, body);
    if (answer.Err === '') throw new Error(`${call} ${JSON.stringify(body)}: expected an error`);
    return answer.Err;
  }

  async create(volume: string, options: Readonly<Record<string, string>>): Promise<void> {
    await this.ok('VolumeDriver.Create', { Name: volume, Opts: options });
  }

  /** Where it is mounted. */
  async mount(volume: string, id: string): Promise<string> {
    const { Mountpoint } = await this.ok('VolumeDriver.Mount', { Name: volume, ID: id });
    return Mountpoint ?? '';
  }

  async unmount(volume: string, id: string): Promise<void> {
    await this.ok('VolumeDriver.Unmount', { Name: volume, ID: id });
  }

  /** From here on it is killed when it has run a command with one of these in it, once for each. */
  async killAfter(parts: readonly string[]): Promise<void> {
    await this.#watch(PROGRAMS);
    const lines = parts.map((part) => `${part}\\n`).join('');
    await this.#guest.run(
      `touch ${WATCHED}/killed-after && printf '%b' '${lines}' > ${WATCHED}/kill-after`,
    );
  }

  /** Those after which it was killed, sorted. */
  async killedAfter(): Promise<string[]> {
    const printed = await this.#guest.run(
      `rm ${WATCHED}/kill-after && sort ${WATCHED}/killed-after`,
    );
    return printed.split('\n');
  }

  async kill(): Promise<void> {
    await this.#guest.run(`kill -9 $(cat ${WATCHED}/victim)`);
  }

  /** Every command line that it has run. */
  commands(): Promise<string> {
    return this.#guest.run(`cat ${WATCHED}/commands`);
  }

  log(): Promise<string> {
    return this.#guest.run('cat /run/driver.log');
  }

  /** What the guest still knows of a volume: nothing, where all went well. */
  async leftovers(volume: string): Promise<string> {
    const facts = `iscsiadm -m session; iscsiadm -m node; cat /proc/mounts; ls ${STATE}/mounts ${STATE}/volumes`;
    return await this.#guest.run(`(${facts}) 2>/dev/null | grep 'default\\.${volume}' || true`);
  }

  /** Puts a program that notes its command lines in front of the real one. */
  async #watch(programs: readonly string[]): Promise<void> {
    for (const program of programs) {
      // The real one is copied, because it must not be found by its name any more.
      await this.#guest.run(
        `cp -L "$(command -v ${program})" ${WATCHED}/real/ && ` +
          `cp ${HERE}/watched-program.sh /usr/local/sbin/${program}`,
      );
    }
  }
}
