import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { REGION_BYTES } from '../../replica/common/limits.ts';
import { makeWrite } from '../chaos/initiator/commands.ts';
import { Initiator } from '../chaos/initiator/initiator.ts';
import { eventually, runOk } from '../support/child.ts';
import type { Keelson } from '../support/keelson.ts';
import { cpuSecondsOf } from '../support/processes.ts';
import { SeededRandom } from '../support/random.ts';

export const SYNC_VOLUME_BYTES = 1024 ** 3;

/** What is written while a copy is away. */
export interface Change {
  readonly sequentialBytes: number;
  readonly randomBytes: number;
}

/** Counters of a replica. */
export interface WireCount {
  /** Of the volume, before compression. */
  readonly writtenBytes: number;
  readonly receivedBytes: number;
}

const NAME = { namespace: 'default', name: 'sync' };
const NODES = ['node1', 'node2', 'node3'];
const DEPTH = 32;
const SEQUENTIAL_BYTES = 256 * 1024;
const RANDOM_BYTES = 4096;
const POLL_MS = 20;
const LIMIT_MS = 300_000;

/** The first volume of an installation: two copies of 1 GiB, of three nodes. */
export class SyncSubject {
  readonly url: string;
  readonly #keelson: Keelson;
  readonly #view: VolumeView;
  readonly #random = new SeededRandom(1);

  private constructor(keelson: Keelson, view: VolumeView) {
    this.#keelson = keelson;
    this.#view = view;
    this.url = `iscsi://${view.portal}/${view.targetName}/0`;
  }

  static async create(keelson: Keelson): Promise<SyncSubject> {
    const view = await keelson.makeVolume(NAME.name, { size: '1Gi', replicas: 1 });
    return new SyncSubject(keelson, view);
  }

  /** With bytes that lz4 cannot shrink: a sync then has as much to move as `cp`. */
  async fill(): Promise<void> {
    const path = join(this.#keelson.dataDir, 'random');
    const file = openSync(path, 'w');
    const chunk = Buffer.alloc(16 * 1024 ** 2);
    for (let done = 0; done < SYNC_VOLUME_BYTES; done += chunk.length) {
      writeSync(file, randomFillSync(chunk));
    }
    closeSync(file);
    const formats = ['-f', 'raw', '-O', 'raw'];
    await runOk('qemu-img', ['convert', '-n', ...formats, path, this.url], { timeoutMs: LIMIT_MS });
    rmSync(path);
  }

  /** A copy that is not read from. */
  async secondary(): Promise<{ node: string; pid: number }> {
    const { copies } = await this.#keelson.status();
    const copy = copies.find(({ isPrimary }) => !isPrimary);
    const node = copy?.node ?? '';
    const process = this.#keelson
      .replicas()
      .find(({ command }) => command.includes(`/nodes/${node}/`));
    if (process === undefined) throw new Error(`replica on ${node}: expected a process`);
    return { node, pid: process.pid };
  }

  async wireCountOf(node: string): Promise<WireCount> {
    const host = `127.0.0.${11 + NODES.indexOf(node)}`;
    const text = await (await fetch(`http://${host}:5704/metrics`)).text();
    const counterOf = (name: string) => {
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
      return Number(line?.split(' ')[1]);
    };
    return {
      writtenBytes: counterOf('keelson_replica_bytes_total{operation="write"}'),
      receivedBytes: counterOf('keelson_replica_wire_bytes_total{direction="received"}'),
    };
  }

  /** That all processes of the volume have taken so far. */
  cpuSeconds(): number {
    return this.#keelson
      .processes()
      .filter(({ command }) => command.includes('default/sync '))
      .reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
  }

  /** Returns how many bytes the regions have that were touched. */
  async write(change: Change): Promise<number> {
    const writes = this.#planWrites(change);
    const [host = '', port] = this.#view.portal.split(':');
    const { targetName } = this.#view;
    const initiatorName = 'iqn.2026-11.io.keelson:bench';
    const target = { host, port: Number(port), targetName, initiatorName };
    const initiator = new Initiator(target, () => undefined);
    const regions = new Set<number>();
    const data = randomFillSync(Buffer.alloc(SEQUENTIAL_BYTES));
    const work = async () => {
      for (let next = writes.pop(); next !== undefined; next = writes.pop()) {
        const { offsetBytes, lengthBytes } = next;
        const bytes = data.subarray(0, lengthBytes);
        const command = makeWrite(offsetBytes, bytes, { form: 10, isForced: false });
        while ((await initiator.execute(command)).kind !== 'good');
        for (let at = offsetBytes; at < offsetBytes + lengthBytes; at += REGION_BYTES) {
          regions.add(Math.floor(at / REGION_BYTES));
        }
      }
    };
    await Promise.all(Array.from({ length: DEPTH }, work));
    await initiator.stop();
    return regions.size * REGION_BYTES;
  }

  whenStruckOff(node: string): Promise<true> {
    return this.#when('the copy is struck off', ({ copies }) =>
      copies.some((copy) => copy.node === node && copy.state !== 'in-sync'),
    );
  }

  whenInSync(copyCount: number): Promise<true> {
    return this.#when(
      `${copyCount} copies are in sync`,
      ({ copies }) =>
        copies.filter(({ state, isConnected }) => state === 'in-sync' && isConnected).length ===
        copyCount,
    );
  }

  whenSyncing(): Promise<true> {
    return this.#when('a copy syncs', ({ copies }) => copies.some(({ sync }) => sync));
  }

  async isSyncing(): Promise<boolean> {
    const { copies } = await this.#keelson.status();
    return copies.some(({ state }) => state === 'syncing');
  }

  async setReplicas(count: number): Promise<void> {
    const labelsAdd = { 'keelson.io/replicas': String(count) };
    await this.#keelson.api.updateVolume(NAME, { labelsAdd, labelsRemove: [] });
  }

  /** Back to two copies, its directory gone, so that the next one begins from nothing. */
  async removeThird(): Promise<void> {
    await this.setReplicas(1);
    await eventually(
      'the third copy is gone',
      async () => {
        const { copies } = await this.#keelson.api.volume(NAME);
        return copies.length === 2 && this.#keelson.replicas().length === 2 ? true : undefined;
      },
      { withinMs: LIMIT_MS },
    );
  }

  async dataFileOfPrimary(): Promise<string> {
    const { copies } = await this.#keelson.status();
    const node = copies.find(({ isPrimary }) => isPrimary)?.node ?? '';
    const { namespace, name, id } = this.#view;
    return join(this.#keelson.dataDir, 'nodes', node, `${namespace}.${name}-${id}`, 'data');
  }

  /** Where the third copy would be made: all nodes lie on one file system. */
  get spareNodeDirectory(): string {
    return join(this.#keelson.dataDir, 'nodes', 'node3');
  }

  #when(what: string, is: (status: Status) => boolean): Promise<true> {
    return eventually(what, async () => (is(await this.#keelson.status()) ? true : undefined), {
      withinMs: LIMIT_MS,
      everyMs: POLL_MS,
    });
  }

  #planWrites(change: Change): { offsetBytes: number; lengthBytes: number }[] {
    const start = this.#random.below(SYNC_VOLUME_BYTES / SEQUENTIAL_BYTES / 2) * SEQUENTIAL_BYTES;
    const sequential = Array.from(
      { length: change.sequentialBytes / SEQUENTIAL_BYTES },
      (_, index) => ({
        offsetBytes: start + index * SEQUENTIAL_BYTES,
        lengthBytes: SEQUENTIAL_BYTES,
      }),
    );
    const random = Array.from({ length: change.randomBytes / RANDOM_BYTES }, () => ({
      offsetBytes: this.#random.below(SYNC_VOLUME_BYTES / RANDOM_BYTES) * RANDOM_BYTES,
      lengthBytes: RANDOM_BYTES,
    }));
    // Taken from the end.
    return [...random, ...sequential.reverse()];
  }
}

type Status = Awaited<ReturnType<Keelson['status']>>;
