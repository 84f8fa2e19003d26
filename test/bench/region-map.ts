import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RegionMap } from '../../replica/store/region-map.ts';
import { exitOf } from '../support/child.ts';
import { canIsolateNetwork, isolateNetwork } from '../support/isolated.ts';
import { NODE, ROOT } from '../support/keelson.ts';
import { residentMiBOf } from '../support/processes.ts';
import { formatTable, median } from './report.ts';

const GIB = 1024 ** 3;
const SIZES = [
  { name: '1 GiB', bytes: GIB },
  { name: '1 TiB', bytes: 1024 * GIB },
];
const START_COUNT = 3;

interface Start {
  readonly readyMs: number;
  readonly residentMiB: number;
}

/** What a replica of 1 TiB costs before it has done anything, its region map empty and full. */
export async function benchRegions(): Promise<void> {
  if (canIsolateNetwork()) isolateNetwork();
  const rows = [['replica process, start to ready', 'ms', 'RSS MiB']];
  for (const { name, bytes } of SIZES) {
    const dataDir = mkdtempSync(join(tmpdir(), 'keelson-regions-'));
    try {
      await start(dataDir, bytes); // formats the directory
      rows.push(rowOf(`${name}, never written`, await startOften(dataDir, bytes)));
      stampEverything(dataDir, bytes);
      rows.push(rowOf(`${name}, written everywhere`, await startOften(dataDir, bytes)));
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
  process.stdout.write(`${formatTable(rows)}\n`);
}

/** As if every region had been written in generation 7. The data stays a hole: nobody reads it. */
function stampEverything(dataDir: string, sizeBytes: number): void {
  const map = new RegionMap(sizeBytes);
  map.raise(0, sizeBytes, 7);
  const file = openSync(join(dataDir, 'regions'), 'r+');
  for (const { offset, bytes } of map.takeDirtyPages()) {
    writeSync(file, bytes, 0, bytes.length, offset);
  }
  closeSync(file);
}

async function startOften(dataDir: string, sizeBytes: number): Promise<Start[]> {
  const starts: Start[] = [];
  for (let count = 0; count < START_COUNT; count++) starts.push(await start(dataDir, sizeBytes));
  return starts;
}

/** Starts a replica, looks at it once it serves, and stops it. */
async function start(dataDir: string, sizeBytes: number): Promise<Start> {
  const identity = ['--volume', 'default/bench', '--volume-id', 'bench', '--replica-id', 'r1'];
  const place = ['--data-dir', dataDir, '--size', String(sizeBytes), '--listen', '127.0.0.11'];
  const startMs = performance.now();
  const child = spawn(NODE, ['replica/main.ts', ...identity, ...place], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, KEELSON_VOLUME_SECRET: '5a'.repeat(32) },
  });
  await whenReady(child);
  const result = {
    readyMs: performance.now() - startMs,
    residentMiB: residentMiBOf(child.pid ?? 0),
  };
  child.kill('SIGTERM');
  await exitOf(child);
  return result;
}

async function whenReady(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error('start a replica: expected its output');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('ready ')) return;
  }
  throw new Error('start a replica: expected "ready", it ended');
}

function rowOf(name: string, starts: readonly Start[]): string[] {
  return [
    name,
    median(starts.map(({ readyMs }) => readyMs)).toFixed(0),
    median(starts.map(({ residentMiB }) => residentMiB)).toFixed(0),
  ];
}
